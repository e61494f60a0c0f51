//! What decides who may log in as an application's users: where logins are sent back to, and whether the client keeps a
//! secret. Pinned at first use, changed by its owner's or an operator's word. Pure.
//!
//! Whoever sets a client's redirect URL receives the codes of everybody who logs in; a client that needs no secret is
//! anybody's who knows its id, and one that suddenly needs one locks out those who have none. The catalog says what the owner
//! entered; whoever took registry-sync over says anything. So another URL or client type than the pinned one is not given to
//! the issuer before a destinations statement names it, however long it is asked for; everything else of the user is as the
//! catalog says meanwhile.
//!
//! The owner is the one whom the catalog named first. Another one is an heir: its own word counts once it was named for a
//! day, for all to see; the former owner's and an operator's count at once.

use std::time::Duration;

use mint_statement::Confirmation;
use mint_types::{Application, CredentialKind, TeamId, Timestamp};

/// For how long the catalog names a new owner before that one's word counts (DESIGN section 5: as a new destination).
pub const HEIRS_WAIT: Duration = Duration::from_hours(24);

/// An owner on nobody's word but the catalog's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heir {
    /// Which team.
    pub team: TeamId,
    /// Since when the catalog names it, in counted time ([`crate::elapsed`]).
    pub since: Timestamp,
}

impl Heir {
    /// For how long its own word does not count yet.
    pub fn left(&self, now: Timestamp) -> Duration {
        HEIRS_WAIT.saturating_sub(now.since(self.since))
    }
}

/// What is remembered of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The owner on whose word it rests; none: remembered before owners were.
    pub team: Option<TeamId>,
    /// Whom the catalog names instead.
    pub heir: Option<Heir>,
    /// The URL that the issuer may have; none if there is none.
    pub url: Option<String>,
    /// Whether the client may be one without a secret; none: remembered before client types were.
    pub is_public: Option<bool>,
    /// When the last believed statement was issued: only a later one is believed, so none is believed twice.
    pub stated_at: Option<Timestamp>,
    /// What the settings asked for the last time and nobody confirmed; empty if they asked for none.
    pub held: Option<String>,
    /// The settings asked for another client type the last time, and nobody confirmed it.
    pub is_type_held: bool,
}

/// What the catalog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The owner.
    pub team: TeamId,
    /// The URL.
    pub url: Option<String>,
    /// Whether the client keeps no secret.
    pub is_public: bool,
}

impl Wanted {
    /// What a record asks for.
    pub fn of(record: &Application) -> Self {
        let settings = record.settings.as_ref();
        Self {
            team: record.team_id.clone(),
            url: settings.and_then(|settings| settings.redirect_url.clone()),
            is_public: settings.is_some_and(|settings| !settings.confidential),
        }
    }

    /// Whether a statement names the same. One of before kinds were named says nothing about the client.
    fn is_stated_by(&self, word: &Confirmation) -> bool {
        word.set.team == self.team
            && word.set.redirect_url == self.url
            && stated_type(word) == Some(self.is_public)
    }
}

fn stated_type(word: &Confirmation) -> Option<bool> {
    let kinds = &word.set.kinds;
    (!kinds.is_empty()).then(|| kinds.contains(&CredentialKind::PublicClient))
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What is to be remembered before the issuer is asked; its URL and client type are those in force.
    pub pin: Pin,
    /// What happened to the URL.
    pub url: Event,
    /// What happened to the client type.
    pub client: Event,
    /// Whether what is remembered rests on a word that was not believed before.
    pub is_newly_said: bool,
}

/// What the audit log should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Nothing new.
    Nothing,
    /// Another one is asked for, and nobody confirmed it.
    Held,
    /// Another one was confirmed.
    Confirmed,
}

impl Event {
    fn of(is_other: bool, is_confirmed: bool, was_held: bool) -> Self {
        match (is_other, is_confirmed) {
            (true, true) => Self::Confirmed,
            (true, false) if !was_held => Self::Held,
            (true, false) | (false, _) => Self::Nothing,
        }
    }
}

/// What is in force, given what is remembered, what the settings ask for and perhaps a statement; `now` is counted time.
pub fn rule(pin: Option<&Pin>, wanted: &Wanted, word: Option<&Confirmation>, now: Timestamp) -> Ruling {
    let said = word
        .filter(|word| wanted.is_stated_by(word) && pin.and_then(|pin| pin.stated_at) < Some(word.issued_at));
    let Some(before) = pin else {
        let pin = confirmed(wanted, said.map(|word| word.issued_at));
        return Ruling { pin, url: Event::Nothing, client: Event::Nothing, is_newly_said: false };
    };
    let heir = heir(before, &wanted.team, now);
    let is_long_enough = heir.as_ref().is_none_or(|heir| heir.left(now).is_zero());
    let believed = said.filter(|word| !word.is_heirs || is_long_enough);
    let was_public = before.is_public.unwrap_or(wanted.is_public);
    let (is_other_url, is_other_type) = (before.url != wanted.url, was_public != wanted.is_public);
    let held = is_other_url.then(|| wanted.url.clone().unwrap_or_default());
    let url = Event::of(is_other_url, believed.is_some(), before.held == held);
    let client = Event::of(is_other_type, believed.is_some(), before.is_type_held);
    let is_newly_said = believed.is_some();
    let pin = match believed {
        Some(word) => confirmed(wanted, Some(word.issued_at)),
        None => Pin {
            team: Some(before.team.clone().unwrap_or_else(|| wanted.team.clone())),
            heir,
            is_public: Some(was_public),
            held,
            is_type_held: is_other_type,
            ..before.clone()
        },
    };
    Ruling { pin, url, client, is_newly_said }
}

fn confirmed(wanted: &Wanted, stated_at: Option<Timestamp>) -> Pin {
    Pin {
        team: Some(wanted.team.clone()),
        heir: None,
        url: wanted.url.clone(),
        is_public: Some(wanted.is_public),
        stated_at,
        held: None,
        is_type_held: false,
    }
}

/// Whom the catalog names instead of the owner that is known, and since when; whoever comes after another one begins anew.
fn heir(before: &Pin, named: &TeamId, now: Timestamp) -> Option<Heir> {
    if before.team.as_ref().is_none_or(|team| team == named) {
        return None;
    }
    let known = before.heir.clone().filter(|heir| heir.team == *named);
    Some(known.unwrap_or_else(|| Heir { team: named.clone(), since: now }))
}

#[cfg(test)]
#[path = "redirect_rule_tests.rs"]
mod tests;
