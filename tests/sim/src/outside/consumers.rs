//! The applications: they log in with what they last fetched, however long ago within the overlap.

use mint_invariants::{Found, Until, Violation, never_broken};
use mint_types::{ApplicationId, CredentialKind, Settings};

use crate::scene::State;

/// What stands before an application's id in its user name.
pub(crate) const PREFIX: &str = "stups_";

impl State {
    /// Every instance of an application logs in: those that fetched just now, and those that fetched as long ago as the
    /// overlap allows; at every destination that its settings name.
    pub(crate) fn log_in_as(&mut self, application: &str, moment: &str) {
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
        let mut found = Vec::new();
        for (path, place) in places.iter().filter(|(path, _)| wanted.contains(path)) {
            let current = place.current.iter().map(|held| (held, Until::Now, place.keep));
            let former = place
                .former
                .iter()
                .filter(|(_, replaced_at, keep)| now.since(*replaced_at) < *keep)
                .map(|(held, replaced_at, keep)| (held, Until::Then(*replaced_at), *keep));
            for (held, readable, overlap) in current.chain(former) {
                let authenticates = self.issuer.accepts(&username, held, now);
                let what = if authenticates { String::new() } else { format!("{}/{}", path.0, path.1) };
                found.push(Found { what, readable, overlap, authenticates, excused: false });
            }
        }
        self.tally.logins += u64::try_from(found.len()).unwrap_or(0);
        let failed = found.iter().filter(|found| !found.authenticates).count();
        self.tally.failed_logins += u64::try_from(failed).unwrap_or(0);
        if let Err(violation) = never_broken(&id, now, &found) {
            let detail = format!("{} ({moment})", violation.detail);
            self.violated(Violation { detail, ..violation });
        }
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
