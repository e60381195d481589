//! Numbers that are written with a unit, as in configurations and requests.

/// `text` = decimal number and unit, without a space, in the smallest unit; `None` when it is not, or too large. `units`:
/// each name with its factor.
pub fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_of_the_units_and_fits() {
        let units = [("s", 1_000), ("ms", 1)];
        assert_eq!(number_with_unit("30s", &units), Some(30_000));
        assert_eq!(number_with_unit("200ms", &units), Some(200));
        for bad in ["", "30", "s", "-1s", "1.5s", "30 s", "30h", "18446744073709551615s"] {
            assert_eq!(number_with_unit(bad, &units), None, "{bad}");
        }
    }
}
