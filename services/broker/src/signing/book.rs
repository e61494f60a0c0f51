//! The keys of a directory: `schedule.json` and one `<kid>.p8` (PKCS #8, mode 0600) for each of its keys.
//!
//! Replicas mount the same directory. It is read again when the schedule changes; what cannot be used leaves everything
//! as it is, and says so.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_types::{Clock, Period, RequestId, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::tend::keep;
use super::{Algorithm, PrivateKey, PublicKey, Schedule, Stage, TaggedToken, Tending};
use crate::error::Error;
use crate::grants::Grant;
use crate::refusal::Refusal;

/// The schedule's name in its directory.
pub(super) const SCHEDULE: &str = "schedule.json";
/// No key file and no schedule of sensible length is longer.
const LONGEST_FILE: u64 = 256 * 1024;
/// How often the schedule is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
/// After how many looks what still fails is said again: once an hour.
const SAY_AGAIN: u32 = 720;

/// When the next keys are made.
#[derive(Debug, Clone)]
pub(crate) struct Care {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How long a key signs.
    pub every: Period,
    /// Between two looks at the directory.
    pub look: Duration,
}

/// A published key, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it is now.
    pub stage: Stage,
    /// When it began or begins to sign.
    pub signs_from: Timestamp,
}

#[derive(Debug)]
struct Loaded {
    schedule: Schedule,
    keys: HashMap<String, (PrivateKey, PublicKey)>,
    text: String,
}

/// The keys that sign, and the one place that makes a [`TaggedToken`].
#[derive(Debug)]
pub struct KeyBook {
    directory: PathBuf,
    issuer: String,
    lifetime: Period,
    cache: Period,
    loaded: Mutex<Arc<Loaded>>,
}

impl KeyBook {
    /// Reads the directory. Nothing is ever made here: a missing key is a fault.
    pub fn open(directory: &Path, issuer: &str, lifetime: Period, cache: Period) -> Result<Self, Error> {
        let loaded = Mutex::new(Arc::new(Loaded::read(directory)?));
        Ok(Self { directory: directory.to_owned(), issuer: issuer.to_owned(), lifetime, cache, loaded })
    }

    /// Signs a token for a grant with the key that is active now.
    pub fn sign(&self, grant: &Arc<Grant>, now: Timestamp, id: RequestId) -> Result<TaggedToken, Refusal> {
        let loaded = self.current();
        let algorithm = grant.role.algorithm;
        let entry = loaded.schedule.signer(algorithm, now, self.cache).ok_or(Refusal::NoKey(algorithm))?;
        let (key, _) = loaded.keys.get(&entry.kid).ok_or(Refusal::NoKey(algorithm))?;
        TaggedToken::sign((key, &entry.kid), &self.issuer, grant, self.lifetime, (now, id))
            .ok_or(Refusal::Internal("the key does not sign"))
    }

    /// Whether there is a key to sign with.
    pub fn can_sign(&self, algorithm: Algorithm, now: Timestamp) -> bool {
        self.current().schedule.signer(algorithm, now, self.cache).is_some()
    }

    /// The JWK set (RFC 7517) at `now`.
    pub fn jwks(&self, now: Timestamp) -> Value {
        let loaded = self.current();
        let keys = loaded.schedule.at(now, self.cache).into_iter().filter_map(|standing| {
            let (_, public) = loaded.keys.get(&standing.entry.kid)?;
            Some(public.jwk(standing.entry.certificate.as_deref()))
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }

    /// The same for people.
    pub fn published(&self, now: Timestamp) -> Vec<PublishedKey> {
        let loaded = self.current();
        let keys = loaded.schedule.at(now, self.cache).into_iter().map(|standing| PublishedKey {
            kid: standing.entry.kid.clone(),
            algorithm: standing.entry.algorithm,
            stage: standing.stage,
            signs_from: standing.signs_from,
        });
        keys.collect()
    }

    /// How long relying parties may keep the set.
    pub fn cache(&self) -> Period {
        self.cache
    }

    /// Reads the directory again if the schedule changed.
    pub fn refresh(&self) -> Result<(), Error> {
        let text = read(&self.directory.join(SCHEDULE))?;
        if *text == self.current().text {
            return Ok(());
        }
        let loaded = Loaded::read(&self.directory)?;
        tracing::info!(keys = loaded.keys.len(), "signing keys reloaded");
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    /// Looks at the directory until the process ends, and makes the next key when one has signed for its time.
    pub(crate) async fn watch(self: Arc<Self>, care: Care, shutdown: CancellationToken) {
        let mut was_refused = false;
        let mut failed_in_a_row = 0_u32;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(care.look) => {}
            }
            match self.refresh() {
                Ok(()) => was_refused = false,
                Err(error) if !was_refused => {
                    was_refused = true;
                    tracing::error!(code = "SIGNING_KEYS_UNUSABLE", %error, "new signing keys are not used; the old ones stay");
                }
                Err(_) => {}
            }
            match self.tend(&care).await {
                Ok(()) => failed_in_a_row = 0,
                Err(error) => {
                    if failed_in_a_row.is_multiple_of(SAY_AGAIN) {
                        tracing::error!(code = "SIGNING_KEYS_NOT_ROTATED", %error, "the next signing key is not made; the old one signs on");
                    }
                    failed_in_a_row = failed_in_a_row.wrapping_add(1);
                }
            }
        }
    }

    /// Writes only when there is something to do: replicas that look find nothing left.
    async fn tend(&self, care: &Care) -> Result<(), Error> {
        let (now, cache, every) = (care.clock.now(), self.cache, care.every);
        let schedule = &self.current().schedule;
        if schedule.due(now, cache, every).is_empty() && schedule.ended(now, cache).is_empty() {
            return Ok(());
        }
        let directory = self.directory.clone();
        let kept =
            tokio::task::spawn_blocking(move || keep(Tending { directory: &directory, now, cache }, every));
        let made = kept.await.map_err(|error| Error::keys(&self.directory, error))??;
        for entry in made {
            tracing::info!(kid = entry.kid, algorithm = %entry.algorithm, signs_from = %entry.active_from, "the next signing key is published");
        }
        self.refresh()
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Loaded {
    fn read(directory: &Path) -> Result<Self, Error> {
        let file = directory.join(SCHEDULE);
        let text = read(&file)?.to_string();
        let schedule: Schedule = serde_json::from_str(&text).map_err(|error| Error::keys(&file, error))?;
        let mut keys = HashMap::new();
        for entry in &schedule.keys {
            let is_name = entry.kid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            if !is_name || entry.kid.is_empty() {
                return Err(Error::keys(&file, "it has a malformed key id"));
            }
            let path = key_file(directory, &entry.kid);
            let document = read_bytes(&path)?;
            let key = PrivateKey::from_pkcs8(entry.algorithm, &document).ok_or_else(|| {
                Error::keys(&path, format!("it holds no {} key (PKCS #8)", entry.algorithm))
            })?;
            let public = key.public();
            if public.kid != entry.kid {
                return Err(Error::keys(
                    &path,
                    format!("it holds the key {}: its name must say so", public.kid),
                ));
            }
            if keys.insert(entry.kid.clone(), (key, public)).is_some() {
                return Err(Error::keys(&file, format!("it has the key {} twice", entry.kid)));
            }
        }
        Ok(Self { schedule, keys, text })
    }
}

pub(super) fn key_file(directory: &Path, kid: &str) -> PathBuf {
    directory.join(format!("{kid}.p8"))
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| Error::keys(path, error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A schedule that others may change decides who signs, so it is as private as a key.
fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::keys(path, "it is missing, and keys are never made silently: see `mint-broker keys`")
        }
        _ => Error::keys(path, error),
    })?;
    let mode = file.metadata().map_err(|error| Error::keys(path, error))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::keys(
            path,
            format!("mode {mode:04o} lets others read or change it: set it to 0600"),
        ));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    file.take(LONGEST_FILE).read_to_end(&mut bytes).map_err(|error| Error::keys(path, error))?;
    Ok(bytes)
}
