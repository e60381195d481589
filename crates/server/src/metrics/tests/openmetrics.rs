//! A strict reader of OpenMetrics text: it panics at what the format forbids.
//!
//! Source: the OpenMetrics specification, version 1.0.0.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape said: each sample as it is written (`name{label="value"}`) with its value.
pub(crate) type Samples = BTreeMap<String, f64>;

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    unit: String,
}

/// The samples of `text`.
pub(crate) fn parse(text: &str) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with # EOF");
    let (mut family, mut seen, mut samples) = (Family::default(), BTreeSet::new(), Samples::new());
    for line in body.lines() {
        if let Some(told) = line.strip_prefix("# ") {
            let mut words = told.splitn(3, ' ');
            let mut word = || words.next().expect("a keyword, a name and a text").to_owned();
            let (keyword, name, rest) = (word(), word(), word());
            if name != family.name {
                assert!(seen.insert(name.clone()), "{name} comes in two pieces");
                family = Family { name, ..Family::default() };
            }
            match keyword.as_str() {
                "TYPE" => family.kind = rest,
                "UNIT" => family.unit = rest,
                "HELP" => assert!(!rest.is_empty(), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("a name and a value");
        let value: f64 = value.parse().expect("a number");
        check_sample(&family, key, value);
        assert!(samples.insert(key.to_owned(), value).is_none(), "{key} is there twice");
    }
    check_histograms(&samples);
    samples
}

fn check_sample(family: &Family, key: &str, value: f64) {
    let name = key.split('{').next().expect("there is a first part");
    let ending = name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{key} in {}", family.name));
    let allowed: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        other => panic!("{key}: kind {other:?}"),
    };
    assert!(allowed.contains(&ending), "{key} as {}", family.kind);
    assert!(family.unit.is_empty() || family.name.ends_with(&format!("_{}", family.unit)), "{key}");
    assert!(family.kind == "gauge" || value >= 0.0, "{key} is negative");
    let names: Vec<String> = labels(key).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{key}: a label twice");
}

/// The labels of a sample, unescaped.
pub(crate) fn labels(key: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = key.split_once('{') else { return Vec::new() };
    let (mut rest, mut found) = (rest.strip_suffix('}').expect("a closing brace"), Vec::new());
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label has a quoted value");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{key}: {name}");
        let (value, after) = quoted(after).unwrap_or_else(|| panic!("{key}: a quote is not closed"));
        found.push((name.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    found
}

/// Up to the closing quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                _ => return None,
            },
            '\n' => return None,
            c => value.push(c),
        }
    }
    None
}

/// Buckets grow, and the last one holds everything.
fn check_histograms(samples: &Samples) {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (key, &count) in samples.iter().filter(|(key, _)| key.contains("_bucket{")) {
        let (mut rest, mut end) = (Vec::new(), None);
        for (name, value) in labels(key) {
            match name.as_str() {
                "le" if value == "+Inf" => end = Some(f64::INFINITY),
                "le" => end = Some(value.parse().expect("le is a number")),
                _ => rest.push(format!("{name}={value}")),
            }
        }
        let name = key.split("_bucket").next().expect("there is a first part");
        let place = format!("{name} {}", rest.join(","));
        series.entry(place).or_default().push((end.expect("a bucket has an le"), count));
    }
    for (place, mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{place}: {buckets:?}");
        assert_eq!(buckets.last().map(|(end, _)| *end), Some(f64::INFINITY), "{place}");
    }
}

#[test]
#[should_panic(expected = "as counter")]
fn a_counter_without_total_is_refused() {
    parse("# HELP a b\n# TYPE a counter\na 1\n# EOF\n");
}

#[test]
#[should_panic(expected = "is there twice")]
fn a_sample_that_comes_twice_is_refused() {
    parse("# HELP a b\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"1\"} 1\n# EOF\n");
}

#[test]
fn labels_are_unescaped() {
    let samples = parse("# HELP a b\n# TYPE a gauge\na{x=\"1\\\"\\\\\\n\",y=\"}\"} -2.5\n# EOF\n");
    let (key, value) = samples.first_key_value().unwrap();
    let expected = [("x".to_owned(), "1\"\\\n".to_owned()), ("y".to_owned(), "}".to_owned())];
    assert_eq!((labels(key), *value), (expected.into(), -2.5));
}
