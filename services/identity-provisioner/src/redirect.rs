//! Where logins of an application may be sent back to: pinned at first use, changed by its owner's or an operator's word.
//! Pure.
//!
//! Whoever sets a client's redirect URL receives the codes of everybody who logs in. The catalog says what the owner
//! entered; whoever took registry-sync over says anything. So another URL than the pinned one is not given to the issuer
//! before a destinations statement names it, however long it is asked for; everything else of the user is as the catalog
//! says meanwhile.

use mint_types::Timestamp;

/// What is remembered of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The URL that the issuer may have; none if there is none.
    pub url: Option<String>,
    /// When the last believed statement was issued: only a later one is believed, so none is believed twice.
    pub stated_at: Option<Timestamp>,
    /// What the settings asked for the last time and nobody confirmed; empty if they asked for none.
    pub held: Option<String>,
}

/// The verified word of the owner or an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// When it was given.
    pub issued_at: Timestamp,
    /// The URL that it names.
    pub url: Option<String>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What is to be remembered before the issuer is asked; its URL is the one in force.
    pub pin: Pin,
    /// What happened.
    pub event: Event,
}

/// What the audit log should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Nothing new.
    Nothing,
    /// Another URL is asked for, and nobody confirmed it.
    Held,
    /// Another URL was confirmed.
    Confirmed,
}

/// Which URL is in force, given what is remembered, what the settings ask for and perhaps a statement.
pub fn rule(pin: Option<&Pin>, wanted: Option<&str>, word: Option<&Word>) -> Ruling {
    let fits = |word: &&Word| {
        word.url.as_deref() == wanted && pin.and_then(|pin| pin.stated_at) < Some(word.issued_at)
    };
    let believed = word.filter(fits).map(|word| word.issued_at);
    let Some(before) = pin else {
        let pin = Pin { url: wanted.map(ToOwned::to_owned), stated_at: believed, held: None };
        return Ruling { pin, event: Event::Nothing };
    };
    let is_pinned = before.url.as_deref() == wanted;
    if is_pinned || believed.is_some() {
        let stated_at = believed.or(before.stated_at);
        let event = if is_pinned { Event::Nothing } else { Event::Confirmed };
        return Ruling { pin: Pin { url: wanted.map(ToOwned::to_owned), stated_at, held: None }, event };
    }
    let held = Some(wanted.unwrap_or_default().to_owned());
    let event = if before.held == held { Event::Nothing } else { Event::Held };
    Ruling { pin: Pin { held, ..before.clone() }, event }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(1_800_000_000_000_000 + seconds * 1_000_000)
    }

    fn pin(url: Option<&str>, stated_at: Option<i64>, held: Option<&str>) -> Pin {
        Pin { url: url.map(Into::into), stated_at: stated_at.map(at), held: held.map(Into::into) }
    }

    fn word(issued_at: i64, url: Option<&str>) -> Word {
        Word { issued_at: at(issued_at), url: url.map(Into::into) }
    }

    const OWN: Option<&str> = Some("https://own.example/cb");
    const EVIL: Option<&str> = Some("https://evil.example/cb");

    #[test]
    fn the_first_url_is_believed_and_another_one_only_with_a_word_that_names_it() {
        let table = [
            (None, OWN, None, pin(OWN, None, None), Event::Nothing),
            (None, None, None, pin(None, None, None), Event::Nothing),
            (None, OWN, Some(word(1, OWN)), pin(OWN, Some(1), None), Event::Nothing),
            (Some(pin(OWN, None, None)), OWN, None, pin(OWN, None, None), Event::Nothing),
            (Some(pin(OWN, None, None)), EVIL, None, pin(OWN, None, EVIL), Event::Held),
            (Some(pin(OWN, None, EVIL)), EVIL, None, pin(OWN, None, EVIL), Event::Nothing),
            (Some(pin(OWN, None, None)), None, None, pin(OWN, None, Some("")), Event::Held),
            (Some(pin(OWN, None, EVIL)), EVIL, Some(word(2, OWN)), pin(OWN, None, EVIL), Event::Nothing),
            (
                Some(pin(OWN, None, EVIL)),
                EVIL,
                Some(word(2, EVIL)),
                pin(EVIL, Some(2), None),
                Event::Confirmed,
            ),
            (Some(pin(OWN, None, EVIL)), OWN, None, pin(OWN, None, None), Event::Nothing),
            (Some(pin(None, None, None)), OWN, Some(word(2, OWN)), pin(OWN, Some(2), None), Event::Confirmed),
        ];
        for (pin, wanted, word, expected, event) in table {
            let ruling = rule(pin.as_ref(), wanted, word.as_ref());
            assert_eq!(ruling, Ruling { pin: expected, event }, "{pin:?} {wanted:?} {word:?}");
        }
    }

    #[test]
    fn a_word_is_believed_once() {
        let first = rule(Some(&pin(OWN, Some(5), None)), EVIL, Some(&word(5, EVIL)));
        assert_eq!(
            (first.event, first.pin.url.as_deref()),
            (Event::Held, OWN),
            "not newer than the last one"
        );
        let newer = rule(Some(&pin(OWN, Some(5), None)), OWN, Some(&word(6, OWN)));
        assert_eq!(newer.pin.stated_at, Some(at(6)));
        let replayed = rule(Some(&newer.pin), EVIL, Some(&word(6, EVIL)));
        assert_eq!(replayed.event, Event::Held);
    }
}
