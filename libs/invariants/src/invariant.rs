//! The invariants' names, and what a broken one is.

use std::fmt;

use mint_types::ApplicationId;

/// One of the six (DESIGN section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// I1.
    NeverBroken,
    /// I2.
    NothingLost,
    /// I3.
    OneAtATime,
    /// I4.
    NoPlaintext,
    /// I5.
    SaidBeforeDone,
    /// I6.
    NoMassDeath,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Self; 6] = [
        Self::NeverBroken,
        Self::NothingLost,
        Self::OneAtATime,
        Self::NoPlaintext,
        Self::SaidBeforeDone,
        Self::NoMassDeath,
    ];

    /// The id in texts: `I1` to `I6`.
    pub fn id(self) -> &'static str {
        match self {
            Self::NeverBroken => "I1",
            Self::NothingLost => "I2",
            Self::OneAtATime => "I3",
            Self::NoPlaintext => "I4",
            Self::SaidBeforeDone => "I5",
            Self::NoMassDeath => "I6",
        }
    }

    /// What must hold, in one sentence.
    pub fn statement(self) -> &'static str {
        match self {
            Self::NeverBroken => {
                "every credential readable at a destination, or fetched from one within the last overlap, authenticates"
            }
            Self::NothingLost => {
                "no rotation is stuck, and nothing is alive that neither the ledger nor an unresolved intent accounts for"
            }
            Self::OneAtATime => "at most one actor per application makes outside calls",
            Self::NoPlaintext => {
                "no secret is in a database, log, trace, metric, error, panic message or saga log"
            }
            Self::SaidBeforeDone => {
                "the audit entry that announces an act is durable before it, its outcome after"
            }
            Self::NoMassDeath => {
                "what is taken away in a day stays within the budget, and removal is disable, tombstone, delete"
            }
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// Whose; none where it is about the whole fleet or about no application.
    pub application: Option<ApplicationId>,
    /// What was seen. Never a secret.
    pub detail: String,
}

impl Violation {
    /// A broken invariant of one application.
    pub fn of(invariant: Invariant, application: &ApplicationId, detail: impl Into<String>) -> Self {
        Self { invariant, application: Some(application.clone()), detail: detail.into() }
    }

    /// A broken invariant that is not about one application.
    pub fn of_all(invariant: Invariant, detail: impl Into<String>) -> Self {
        Self { invariant, application: None, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.application {
            Some(application) => write!(formatter, "{} of {application}: {}", self.invariant, self.detail),
            None => write!(formatter, "{}: {}", self.invariant, self.detail),
        }
    }
}

impl std::error::Error for Violation {}

/// What a check answers.
pub type Verdict = Result<(), Violation>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_has_an_id_and_a_statement_of_its_own() {
        let ids: Vec<_> = Invariant::ALL.iter().map(|invariant| invariant.id()).collect();
        assert_eq!(ids, ["I1", "I2", "I3", "I4", "I5", "I6"]);
        for (index, invariant) in Invariant::ALL.iter().enumerate() {
            let others = &Invariant::ALL[index + 1..];
            assert!(others.iter().all(|other| other.statement() != invariant.statement()));
        }
    }

    #[test]
    fn what_nobody_observed_violates_nothing() {
        let shop: ApplicationId = "shop".parse().unwrap();
        assert_eq!(crate::never_broken(&shop, mint_types::Timestamp::from_unix_micros(0), &[]), Ok(()));
        assert_eq!(crate::nothing_lost(&shop, &crate::Accounting::default()), Ok(()));
        assert_eq!(crate::one_at_a_time(&shop, &[]), Ok(()));
        assert_eq!(crate::no_plaintext("a log", b"", &[]), Ok(()));
        assert_eq!(crate::said_before_done(&[]), Ok(()));
        assert_eq!(crate::no_mass_death(mint_types::Budget::default(), 0, &[], &[]), Ok(()));
        assert_eq!(crate::ledger::check(&shop, &crate::ledger::Ledger::default()), Ok(()));
    }
}
