//! The applications: they log in with what they last fetched, however long ago within the overlap.

use std::time::Duration;

use mint_invariants::{Found, Until, Violation, never_broken};
use mint_types::{ApplicationId, CredentialKind, Settings};

use super::Manner;
use crate::scene::State;

/// What stands before an application's id in its user name.
pub(crate) const PREFIX: &str = "stups_";

/// How long a value may be at a destination, or wanted there, without its issuer and all destinations having the same one,
/// whatever goes wrong: a coordinator whose clock jumps ahead takes its lease along, by an hour here, and nobody else may
/// act until that is over; to which come backoffs, restarts and the expiry of signed PUTs.
const LONGEST_WINDOW: Duration = Duration::from_hours(2);

/// When applications log in, in the order of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before a write lands.
    BeforeDelivery,
    /// After it landed.
    Delivered,
    /// Before the previous version ends, or the new value is set.
    BeforeEnd,
    /// After that.
    Ended,
    /// After the issuer's grace.
    GracePassed,
    /// After the rotation's last step.
    Complete,
    /// After something changed about the identity.
    Identity,
    /// When the world has come to rest.
    Last,
}

impl Moment {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeDelivery => "before delivery",
            Self::Delivered => "after delivery",
            Self::BeforeEnd => "before the end",
            Self::Ended => "after the end",
            Self::GracePassed => "after the grace",
            Self::Complete => "after the rotation",
            Self::Identity => "identity changed",
            Self::Last => "at the last look",
        }
    }
}

/// Since when a store has a value that its issuer lacks, and which store had it first.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    opened: Duration,
    place: (String, String),
}

impl State {
    /// Every instance of an application logs in: those that fetched just now, and those that fetched as long ago as the
    /// overlap allows; at every destination that its settings name.
    ///
    /// Where a value replaces the other, instances that are refused fetch again: so only what is readable counts, and
    /// while a window is open a refusal is excused.
    pub(crate) fn log_in_as(&mut self, application: &str, moment: Moment) {
        let now = self.time.now();
        let Ok(id) = application.parse::<ApplicationId>() else { return };
        let Some(record) = self.catalog.records.get(&id) else { return };
        let Some(settings) = record.settings.as_ref().filter(|_| record.active) else { return };
        if self.catalog.reviving.contains(&id) {
            return;
        }
        let wanted = wanted_by(&id, settings);
        let username = format!("{PREFIX}{application}");
        let Some(places) = self.stores.applications.get(application) else { return };
        let replaces = self.issuer.manner == Manner::Glewlwyd;
        let opened = self.windows.get(application).map(|window| window.opened);
        let is_open = moment != Moment::Last
            && opened.is_some_and(|opened| self.time.elapsed().saturating_sub(opened) < LONGEST_WINDOW);
        let is_last = moment == Moment::Last;
        let (mut found, mut shut_out, mut ended) = (Vec::new(), 0_u64, 0_u64);
        for (path, place) in places.iter().filter(|(path, _)| wanted.contains(path)) {
            let what = || format!("{}/{}", path.0, path.1);
            if let Some(held) = &place.current {
                let (user, client) = self.issuer.accepts(&username, held, now);
                shut_out += u64::from(replaces && !client);
                let authenticates = user && client;
                let is_ended =
                    !authenticates && !is_last && self.is_ended_at_once(application, held, (user, client));
                ended += u64::from(is_ended);
                let excused = is_ended || (replaces && is_open && user);
                let what = if authenticates { String::new() } else { what() };
                found.push(Found { what, readable: Until::Now, overlap: place.keep, authenticates, excused });
            }
            for (held, replaced_at, keep) in &place.former {
                if now.since(*replaced_at) >= *keep {
                    continue;
                }
                let (user, client) = self.issuer.accepts(&username, held, now);
                let authenticates = user && (client || replaces);
                let excused =
                    !authenticates && !is_last && self.is_ended_at_once(application, held, (user, client));
                ended += u64::from(excused);
                let what = if authenticates { String::new() } else { what() };
                let readable = Until::Then(*replaced_at);
                found.push(Found { what, readable, overlap: *keep, authenticates, excused });
            }
        }
        let failed = found.iter().filter(|found| !found.authenticates && !found.excused).count();
        let verdict = never_broken(&id, now, &found);
        let is_shut_out =
            found.iter().any(|found| matches!(found.readable, Until::Now) && !found.authenticates);
        self.tally.logins_ended += ended;
        if !is_shut_out {
            self.fetched_again(application);
        }
        self.tally.log_in(moment, found.len(), failed, if is_open { shut_out } else { 0 });
        if let Some(opened) = opened.filter(|_| shut_out == 0 && self.is_set(application)) {
            self.windows.remove(application);
            self.tally.window_closed(self.time.elapsed().saturating_sub(opened));
        }
        if let Err(violation) = verdict {
            let detail = format!("{} ({})", violation.detail, moment.as_str());
            self.violated(Violation { detail, ..violation });
        }
    }

    /// A value landed that its issuer does not know yet: whoever reads it is shut out until it is set.
    pub(crate) fn open_window(&mut self, application: &str, bucket: &str, key: &str) {
        if self.issuer.manner != Manner::Glewlwyd || self.windows.contains_key(application) {
            return;
        }
        let (now, elapsed) = (self.time.now(), self.time.elapsed());
        let username = format!("{PREFIX}{application}");
        let Some(held) = self.stores.place(bucket, key).current.clone() else { return };
        let is_its_own = held.client.as_ref().is_some_and(|(id, _)| {
            self.issuer.users.get(&username).is_some_and(|user| user.client_id == *id)
        });
        if is_its_own && !self.issuer.accepts(&username, &held, now).1 {
            let place = (bucket.to_owned(), key.to_owned());
            self.windows.insert(application.to_owned(), Window { opened: elapsed, place });
        }
    }

    /// Whether the issuer knows the value by which a window was opened; or it was overwritten since. The place may be one
    /// that the settings do not name any more, and that is written on until somebody answers for that.
    fn is_set(&self, application: &str) -> bool {
        let Some(Window { place: (bucket, key), .. }) = self.windows.get(application) else { return true };
        let places = self.stores.applications.get(application);
        let held = places.and_then(|places| places.get(&(bucket.clone(), key.clone()))?.current.clone());
        let username = format!("{PREFIX}{application}");
        held.is_none_or(|held| self.issuer.accepts(&username, &held, self.time.now()).1)
    }

    /// Where an application looks.
    pub(crate) fn wanted(&self, id: &ApplicationId) -> Vec<(String, String)> {
        let settings = self.catalog.records.get(id).and_then(|record| record.settings.as_ref());
        settings.map(|settings| wanted_by(id, settings)).unwrap_or_default()
    }
}

fn wanted_by(id: &ApplicationId, settings: &Settings) -> Vec<(String, String)> {
    let kinds = settings.kinds().iter();
    let destinations = kinds.flat_map(|kind: &CredentialKind| settings.destinations(id, *kind));
    destinations.map(|destination| (destination.bucket.name.to_string(), destination.key)).collect()
}
