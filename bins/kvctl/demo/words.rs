//! A line into words, as a shell does it: blanks part them, quotes hold them together.

/// The words of `line`; `Err`: a quote is not closed.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next().unwrap_or('\\')),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a {open} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together_and_an_empty_one_is_a_word() {
        assert_eq!(split("put  k 'a b' \"c \\\" d\" e\\ f").unwrap(), ["put", "k", "a b", "c \" d", "e f"]);
        assert_eq!(split("put k ''").unwrap(), ["put", "k", ""]);
        assert_eq!(split("  ").unwrap(), [""; 0]);
        assert_eq!(split("put 'k").unwrap_err(), "a ' is not closed");
    }
}
