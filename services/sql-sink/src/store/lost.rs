//! Tables of ours that a person dropped. They are made anew, empty.

use crate::columns::TABLES;

const LEDGER: &str = "sluice_ledger";

/// The tables, for people, and what fills them again.
pub(super) fn told(lost: &[&'static str]) -> Option<String> {
    if lost.is_empty() {
        return None;
    }
    let is_content =
        |name: &&str| *name == LEDGER || TABLES.iter().any(|table| table.name == *name);
    let cure = match lost.iter().any(is_content) {
        true => ", until `sluice replay --to` it has written again what they held",
        false => "",
    };
    Some(format!("{}, which it had (made anew they are empty{cure})", lost.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_lost_table_again_is_told_where_something_does() {
        assert_eq!(told(&[]), None);
        assert!(told(&["customer", "team"]).expect("lost").contains("`sluice replay --to`"));
        assert!(!told(&["sluice_adopted"]).expect("lost").contains("replay"));
    }
}
