//! Whose word counts about where an application's credentials go and its logins come back to.

use mint_types::{ApplicationId, TeamId, Timestamp};

use crate::{DestinationSet, Error, Statement, Subject, Verified};

/// A verified statement about an application's destinations, by its owner or an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Whether only a new owner says it: nobody but the catalog says that it is one, so it counts only when everybody could
    /// see that for a while.
    pub is_heirs: bool,
    /// What it says.
    pub set: DestinationSet,
}

impl Verified {
    /// What is said of an application's destinations, by an operator or its owner. Who that is, an executor knows from when
    /// it first heard of the application (`pinned`); whom the catalog names now is only an heir of that one.
    pub fn about_destinations(
        self,
        application: &ApplicationId,
        pinned: Option<&TeamId>,
        named: &TeamId,
    ) -> Result<Confirmation, Error> {
        let owner = pinned.unwrap_or(named);
        let is_owners = self.is_by_owner_or_operator(owner);
        let believed = if is_owners { owner } else { named };
        let Statement { issued_at, subject, .. } = self.by_owner_or_operator(believed)?;
        match subject {
            Subject::Destinations(set) if set.application == *application => {
                Ok(Confirmation { issued_at, is_heirs: !is_owners, set })
            }
            Subject::Destinations(_) => Err(Error::Mismatch("application")),
            _ => Err(Error::Mismatch("matter")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use mint_types::Entropy;

    use super::*;
    use crate::{SignedStatement, Signer, StatementKey, TrustedKeys};

    #[derive(Debug)]
    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

    fn key(signer: &str) -> StatementKey {
        let seed = signer.bytes().fold(0, u8::wrapping_add);
        StatementKey::from_seed(signer.parse::<Signer>().unwrap(), &[seed; 32]).unwrap()
    }

    fn verified(signer: &str, subject: Subject) -> Verified {
        let signers = ["team/own", "team/other", "operator/ada"];
        let trusted = TrustedKeys::to_text(signers.map(|signer| key(signer).trusted()).to_vec());
        let statement = Statement::new(subject, NOW, Duration::from_hours(1), &Zeros);
        let signed = SignedStatement::sign(statement, &key(signer)).unwrap();
        signed.verify(&TrustedKeys::parse(&trusted).unwrap(), NOW).unwrap()
    }

    fn set(application: &str) -> DestinationSet {
        DestinationSet {
            application: application.parse().unwrap(),
            team: "own".parse().unwrap(),
            account_id: None,
            prefix: mint_types::Prefix::default(),
            buckets: BTreeSet::new(),
            redirect_url: None,
            kinds: BTreeSet::new(),
        }
    }

    /// Who signed, whom the executor knows as the owner, whom the catalog names: whether it is the owner's word, an heir's, or
    /// nobody's.
    #[test]
    fn the_owner_is_whom_the_executor_knows_and_whom_the_catalog_names_is_an_heir() {
        let table = [
            ("team/own", Some("own"), "own", Some(false)),
            ("operator/ada", Some("own"), "other", Some(false)),
            ("team/own", Some("own"), "other", Some(false)),
            ("team/other", Some("own"), "other", Some(true)),
            ("team/other", Some("own"), "own", None),
            ("team/other", None, "other", Some(false)),
            ("team/own", None, "other", None),
        ];
        let shop = "shop".parse().unwrap();
        for (signer, pinned, named, is_heirs) in table {
            let pinned: Option<TeamId> = pinned.map(|team| team.parse().unwrap());
            let said = verified(signer, Subject::Destinations(set("shop")));
            let word = said.about_destinations(&shop, pinned.as_ref(), &named.parse().unwrap());
            let what = format!("{signer} {pinned:?} {named}");
            assert_eq!(word.ok().map(|word| word.is_heirs), is_heirs, "{what}");
        }
    }

    #[test]
    fn a_word_about_something_else_is_none() {
        let (shop, own) = ("shop".parse().unwrap(), "own".parse().unwrap());
        let of_another = verified("team/own", Subject::Destinations(set("till")));
        let refused = of_another.about_destinations(&shop, Some(&own), &own).unwrap_err();
        assert!(matches!(refused, Error::Mismatch("application")));
        let release = Subject::RegistryRelease { acts: 1, applications: BTreeSet::new() };
        let refused = verified("operator/ada", release).about_destinations(&shop, Some(&own), &own);
        assert!(matches!(refused.unwrap_err(), Error::Mismatch("matter")));
    }
}
