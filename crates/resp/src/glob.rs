//! Patterns of `SCAN … MATCH` and `CONFIG GET`: `*`, `?`, `[a-c]`, `[^a]`, `\x`.
//!
//! Invariant: at most (pattern × text) steps, whatever the pattern: after a mismatch only the last star is tried anew.
//! (Redis's own matcher takes exponential time for many stars: CVE-2022-36021.)

/// Whether `text` fits `pattern`.
pub(crate) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        match one(&pattern[p..], text[t]) {
            Some(used) => (p, t) = (p + used, t + 1),
            None => match star {
                Some((after, from)) => {
                    (p, t) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How much of the pattern's front `byte` fits.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => class(pattern, byte),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'^');
    let (mut at, mut found) = (1 + usize::from(negated), false);
    loop {
        match &pattern[at.min(pattern.len())..] {
            // A class that does not end goes to the pattern's end, as in Redis.
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_redis() {
        let fitting = [
            ("*", ""),
            ("a*c", "abbc"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("\\*", "*"),
            ("[\\]]", "]"),
            ("[ab", "a"),
            ("a**b*", "ab"),
        ];
        for (pattern, text) in fitting {
            assert!(fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a*c", "abbd"), ("", "a"), ("a", ""), ("h[^e]llo", "hello"), ("a*\\*", "ab"), ("?", "")]
        {
            assert!(!fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_pattern_times_text() {
        let pattern = [b"a*".repeat(2_000), b"b".to_vec()].concat();
        assert!(!fits(&pattern, &b"a".repeat(20_000)));
    }
}
