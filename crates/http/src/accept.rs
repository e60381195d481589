//! Which form an answer has: JSON, or the value as it is.

use axum::http::{HeaderMap, StatusCode, header};

use crate::problem::Problem;

/// The forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/json`.
    Json,
    /// `application/octet-stream`: the bytes of the value.
    Raw,
}

/// The form that the client likes best; JSON if it does not care.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let mut asked = headers.get_all(header::ACCEPT).iter().peekable();
    if asked.peek().is_none() {
        return Ok(Form::Json);
    }
    let text: Vec<&str> = asked.filter_map(|value| value.to_str().ok()).collect();
    let quality = |wanted: &str| {
        text.iter().flat_map(|text| text.split(',')).filter_map(|range| fit(range, wanted)).max()
    };
    let of = |wanted| quality(wanted).map_or(0, |(_, quality)| quality);
    match (of("application/json"), of("application/octet-stream")) {
        (0, 0) => Err(Problem::rejected(
            StatusCode::NOT_ACCEPTABLE,
            "not-acceptable",
            "values come as application/json or as application/octet-stream",
        )),
        (json, raw) if raw > json => Ok(Form::Raw),
        _ => Ok(Form::Json),
    }
}

/// How exactly `range` names `wanted`, and with which quality in thousandths; `None`: not at all.
fn fit(range: &str, wanted: &str) -> Option<(u8, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let exactness = match name.as_str() {
        "*/*" => 0,
        "application/*" => 1,
        name if name == wanted => 2,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality = match quality {
        None => 1.0,
        Some(text) => text.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?,
    };
    Some((exactness, (quality * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        form(&headers).ok()
    }

    #[test]
    fn json_is_the_default_and_the_better_quality_wins() {
        assert_eq!(form(&HeaderMap::new()).unwrap(), Form::Json);
        for (accept, expected) in [
            ("*/*", Some(Form::Json)),
            ("application/octet-stream", Some(Form::Raw)),
            ("application/octet-stream, application/json", Some(Form::Json)),
            ("application/json;q=0.5, application/octet-stream", Some(Form::Raw)),
            ("text/html, */*;q=0.1", Some(Form::Json)),
            ("application/*, application/json;q=0", Some(Form::Raw)),
            ("text/plain", None),
            ("application/json;q=2", None),
            ("", None),
        ] {
            assert_eq!(asked(accept), expected, "{accept:?}");
        }
    }
}
