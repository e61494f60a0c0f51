//! The teams' buckets: last writer wins, and an application may hold what it fetched for as long as the overlap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mint_secret::Object;
use mint_types::{CredentialKind, Timestamp};

/// A credential as an application finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usable {
    pub(crate) user: Option<(String, String)>,
    pub(crate) client: Option<(String, Option<String>)>,
}

impl Usable {
    /// Takes an object apart; none if no application could use it.
    pub(crate) fn parse(key: &str, bytes: &[u8]) -> Option<Self> {
        let kinds = [CredentialKind::Password, CredentialKind::Client, CredentialKind::Combined];
        let kind = kinds.into_iter().find(|kind| key.ends_with(kind.object_name()))?;
        match mint_secret::parse(kind, bytes).ok()? {
            Object::User { username, password, .. } => {
                Some(Self { user: Some((username, password.expose().to_owned())), client: None })
            }
            Object::Client { client_id, client_secret, .. } => {
                let secret = client_secret.map(|secret| secret.expose().to_owned());
                Some(Self { user: None, client: Some((client_id, secret)) })
            }
            Object::Combined { username, password, client_id, client_secret, .. } => Some(Self {
                user: Some((username, password.expose().to_owned())),
                client: Some((client_id, client_secret.map(|secret| secret.expose().to_owned()))),
            }),
            Object::Tombstone => None,
        }
    }
}

/// What is or was readable at one key of one bucket.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) current: Option<Arc<Usable>>,
    /// What it was before, and when it was replaced.
    pub(crate) former: Vec<(Arc<Usable>, Timestamp, Duration)>,
    /// How long after its replacement the current one must go on to work.
    pub(crate) keep: Duration,
}

/// Bucket and key.
pub(crate) type Path = (String, String);

/// Every bucket.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) applications: BTreeMap<String, BTreeMap<Path, Place>>,
}

/// `<prefix>/<application>/<object>`.
pub(crate) fn application_of(key: &str) -> &str {
    key.rsplit('/').nth(1).unwrap_or_default()
}

impl Stores {
    /// What is at a place.
    pub(crate) fn place(&mut self, bucket: &str, key: &str) -> &mut Place {
        let places = self.applications.entry(application_of(key).to_owned()).or_default();
        places.entry((bucket.to_owned(), key.to_owned())).or_default()
    }

    /// A write lands.
    pub(crate) fn land(
        &mut self,
        bucket: &str,
        key: &str,
        found: Option<Usable>,
        now: Timestamp,
        keep: Duration,
    ) {
        let place = self.place(bucket, key);
        place.former.retain(|(_, replaced_at, keep)| now.since(*replaced_at) < *keep);
        if place.current.as_deref() == found.as_ref() {
            return;
        }
        let before = std::mem::replace(&mut place.current, found.map(Arc::new));
        let kept = std::mem::replace(&mut place.keep, keep);
        place.former.extend(before.map(|before| (before, now, kept)));
    }
}
