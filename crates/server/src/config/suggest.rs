//! The nearest known name to a misspelt one.

/// The nearest of `known` to `written`, if it is near enough to be meant.
///
/// Near: at most a third of the longer name's letters have to be changed, added, dropped or swapped.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let written = written.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&written, &name.to_ascii_lowercase()), name))
        .filter(|(edits, name)| *edits * 3 <= written.chars().count().max(name.chars().count()))
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Edits (change, add, drop, swap of neighbours) from `a` to `b`. O(a × b).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_foreign_one_finds_none() {
        let known = ["read_repair", "hinted_handoff", "n", "read", "write"];
        assert_eq!(nearest("raed_repair", known).as_deref(), Some("read_repair"));
        assert_eq!(nearest("hinted-handof", known).as_deref(), Some("hinted_handoff"));
        assert_eq!(nearest("wrtie", known).as_deref(), Some("write"));
        assert_eq!(nearest("Read", known).as_deref(), Some("read"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
