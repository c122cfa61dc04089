//! Whose debts fill staging: who still needs what lies there, and what would go if he had it.

use std::collections::BTreeMap;

use crate::Kind;

/// Who keeps an object in staging from going.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Debtor {
    /// A destination, by its name in the settings, that has not got it yet.
    Destination(String),
    /// Somebody who asked for it again, or a replay that has not come to it.
    AskedAgain,
    /// A dead letter that names it.
    DeadLetter,
}

/// Objects, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub objects: u64,
    /// How large, together.
    pub bytes: u64,
}

/// What one debtor still needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Debt {
    /// All of it.
    pub needed: Amount,
    /// What nobody else needs, and what would go if he had it. Reports stay in any case.
    pub would_go: Amount,
}

/// What lies in staging, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Debts {
    /// Everything.
    pub all: Amount,
    /// Reports, which stay for destinations that are added later.
    pub reports: Amount,
    /// Recordings and backups that all have: they go at their age, or when room is lacking.
    pub delivered: Amount,
    /// Who still needs something.
    pub of: BTreeMap<Debtor, Debt>,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

impl Debts {
    /// Counts an object that these still need.
    pub fn count(&mut self, kind: Kind, bytes: u64, debtors: &[Debtor]) {
        self.all.add(bytes);
        if kind.is_report() {
            self.reports.add(bytes);
        } else if debtors.is_empty() {
            self.delivered.add(bytes);
        }
        for debtor in debtors {
            let debt = self.of.entry(debtor.clone()).or_default();
            debt.needed.add(bytes);
            if debtors.len() == 1 && !kind.is_report() {
                debt.would_go.add(bytes);
            }
        }
    }

    /// Counts an object that no fact names: what an attempt left, or what was replaced.
    pub fn count_unnamed(&mut self, bytes: u64) {
        self.all.add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debtor_answers_for_what_he_needs_and_alone_for_what_nobody_else_needs() {
        let [archive, cold] = ["archive", "cold"].map(|name| Debtor::Destination(name.to_owned()));
        let mut debts = Debts::default();
        let both = [archive.clone(), cold.clone()];
        debts.count(Kind::SessionRecording, 100, &both);
        debts.count(Kind::SessionRecording, 10, &both[..1]);
        debts.count(Kind::SessionData, 1, &both[..1]);
        debts.count(Kind::SiteBackup, 1_000, &[Debtor::DeadLetter]);
        debts.count(Kind::SiteBackup, 5_000, &[]);
        debts.count_unnamed(7);
        let amount = |objects, bytes| Amount { objects, bytes };
        let debt = |needed, would_go| Debt { needed, would_go };
        assert_eq!(debts.of[&archive], debt(amount(3, 111), amount(1, 10)));
        assert_eq!(debts.of[&cold], debt(amount(1, 100), Amount::default()));
        assert_eq!(debts.of[&Debtor::DeadLetter], debt(amount(1, 1_000), amount(1, 1_000)));
        assert_eq!((debts.delivered, debts.reports), (amount(1, 5_000), amount(1, 1)));
        assert_eq!(debts.all, amount(6, 6_118));
    }
}
