//! Which server's history a database belongs to. A standby that was promoted and a backup that was restored may have lost
//! what the service wrote last; both are another origin, and until somebody who knows accepts it, nothing is done there.

use mint_types::Timestamp;

use crate::{Error, Row};

/// Where a database is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// On PostgreSQL the cluster's system identifier and its timeline: a promotion and a recovery to a point in time
    /// begin a new timeline, a dump that is loaded elsewhere meets another identifier.
    pub name: String,
    /// The server's time.
    pub now: Timestamp,
}

/// What may be done to a database when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// Nothing: it has to be as the program expects.
    #[default]
    No,
    /// Its schema is brought up to date.
    Yes,
    /// That, and from now on this origin is the right one: what was written elsewhere and is not here is lost.
    Accepting(String),
}

impl From<bool> for Migrate {
    fn from(migrate: bool) -> Self {
        if migrate { Self::Yes } else { Self::No }
    }
}

impl From<(bool, Option<&str>)> for Migrate {
    /// Who may not migrate may not accept an origin either.
    fn from((migrate, origin): (bool, Option<&str>)) -> Self {
        match origin {
            Some(origin) if migrate => Self::Accepting(origin.to_owned()),
            _ => Self::from(migrate),
        }
    }
}

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS mint_origins \
     (sequence BIGINT PRIMARY KEY, origin TEXT NOT NULL, accepted_at BIGINT NOT NULL)";
pub(crate) const LATEST: &str =
    "SELECT sequence, origin, accepted_at FROM mint_origins ORDER BY sequence DESC LIMIT 1";
pub(crate) const ACCEPT: &str =
    "INSERT INTO mint_origins (sequence, origin, accepted_at) VALUES ($1, $2, $3)";

/// The origin that was accepted last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) sequence: i64,
    pub(crate) origin: String,
    pub(crate) at: Timestamp,
}

impl Accepted {
    pub(crate) fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            sequence: row.integer("sequence")?,
            origin: row.text("origin")?,
            at: Timestamp::from_unix_micros(row.integer("accepted_at")?),
        })
    }

    /// When writes may have been lost last; none if they never were.
    pub(crate) fn lost_writes_at(&self) -> Option<Timestamp> {
        (self.sequence > FIRST).then_some(self.at)
    }
}

/// The sequence of the origin on which a database was made.
const FIRST: i64 = 1;

/// What is to be recorded, if anything, or why nothing may be done here.
pub(crate) fn settle(
    known: Option<&Accepted>,
    found: &Origin,
    migrate: &Migrate,
) -> Result<Option<Accepted>, Error> {
    let accepted = |sequence| Accepted { sequence, origin: found.name.clone(), at: found.now };
    match (known, migrate) {
        (None, Migrate::No) => Err(Error::Outdated { missing: 0 }),
        (None, Migrate::Yes | Migrate::Accepting(_)) => Ok(Some(accepted(FIRST))),
        (Some(known), _) if known.origin == found.name => Ok(None),
        (Some(known), Migrate::Accepting(named)) if *named == found.name => {
            Ok(Some(accepted(known.sequence.saturating_add(1))))
        }
        (Some(known), _) => Err(quarantined(&known.origin, &found.name)),
    }
}

pub(crate) fn quarantined(known: &str, found: &str) -> Error {
    Error::Quarantined { known: known.to_owned(), found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Origin {
        Origin { name: name.into(), now: Timestamp::from_unix_micros(9) }
    }

    fn known(sequence: i64, origin: &str) -> Accepted {
        Accepted { sequence, origin: origin.into(), at: Timestamp::from_unix_micros(5) }
    }

    #[test]
    fn another_origin_is_refused_until_it_is_accepted_by_its_name() {
        let here = known(1, "7/1");
        assert_eq!(settle(Some(&here), &found("7/1"), &Migrate::No), Ok(None));
        for migrate in [Migrate::No, Migrate::Yes, Migrate::Accepting("7/3".into())] {
            let refused = settle(Some(&here), &found("7/2"), &migrate);
            assert_eq!(refused, Err(quarantined("7/1", "7/2")), "{migrate:?}");
        }
        let accepted =
            settle(Some(&here), &found("7/2"), &Migrate::Accepting("7/2".into())).unwrap().unwrap();
        assert_eq!((accepted.sequence, accepted.origin.as_str()), (2, "7/2"));
        assert_eq!(accepted.lost_writes_at(), Some(Timestamp::from_unix_micros(9)));
    }

    #[test]
    fn the_first_origin_lost_nothing_and_is_recorded_by_a_migration_alone() {
        let first = settle(None, &found("7/1"), &Migrate::Yes).unwrap().unwrap();
        assert_eq!(first.lost_writes_at(), None);
        assert_eq!(settle(None, &found("7/1"), &Migrate::No), Err(Error::Outdated { missing: 0 }));
    }

    #[test]
    fn who_may_not_migrate_may_not_accept() {
        assert_eq!(Migrate::from((false, Some("7/2"))), Migrate::No);
        assert_eq!(Migrate::from((true, Some("7/2"))), Migrate::Accepting("7/2".into()));
    }
}
