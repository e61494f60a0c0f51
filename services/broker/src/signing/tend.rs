//! Making keys: by command, and by the process when a key has signed for its time. Whoever writes holds the lock of the
//! directory, so that replicas and a command make one next key and not two.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mint_types::{Period, Timestamp};

use super::book::{LOOK, SCHEDULE, key_file, read};
use super::{Algorithm, Entry, PrivateKey, Schedule};
use crate::error::Error;

/// What is added to the cache's lifetime before a key signs: until every replica has read the schedule, with room.
pub(crate) const LEARNING: Duration = LOOK.saturating_mul(12);

/// Where and when keys are tended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tending<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Now.
    pub now: Timestamp,
    /// How long relying parties may keep what they fetched.
    pub cache: Period,
}

/// Makes the first key of an algorithm; it signs at once, because nobody can have fetched a set without it. Refused where
/// there is one.
pub(crate) fn make_first(tending: Tending<'_>, algorithm: Algorithm) -> Result<Entry, Error> {
    let Tending { directory, now, .. } = tending;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| Error::keys(directory, error))?;
    let _held = hold(directory)?;
    let file = directory.join(SCHEDULE);
    let schedule = if file.exists() { parsed(directory)? } else { Schedule::default() };
    if has(&schedule, algorithm) {
        return Err(Error::keys(file, format!("it has an {algorithm} key: rotate it instead")));
    }
    add(tending, schedule, algorithm, now)
}

/// Makes the first key of every algorithm that has none.
pub(crate) fn make_missing(
    tending: Tending<'_>,
    algorithms: impl Iterator<Item = Algorithm>,
) -> Result<Vec<Entry>, Error> {
    let mut made = Vec::new();
    for algorithm in algorithms {
        let there = tending.directory.join(SCHEDULE).exists() && has(&parsed(tending.directory)?, algorithm);
        if !there {
            made.push(make_first(tending, algorithm)?);
        }
    }
    Ok(made)
}

/// Makes the next key of an algorithm, to be active a cache lifetime from now, and forgets keys whose last token has
/// expired. Refused while an earlier one waits: two rotations at once would withdraw a key that nobody fetched.
pub(crate) fn rotate(tending: Tending<'_>, algorithm: Algorithm) -> Result<Entry, Error> {
    let _held = hold(tending.directory)?;
    forget(tending)?;
    next(tending, algorithm)
}

/// What the process does by itself: the next key of each algorithm whose key has signed for `every`, and an end to the
/// keys whose last token has expired.
pub(crate) fn keep(tending: Tending<'_>, every: Period) -> Result<Vec<Entry>, Error> {
    let _held = hold(tending.directory)?;
    forget(tending)?;
    // read under the lock: another process may have made the next one since this one looked
    let due = parsed(tending.directory)?.due(tending.now, tending.cache, every);
    due.into_iter().map(|algorithm| next(tending, algorithm)).collect()
}

fn next(tending: Tending<'_>, algorithm: Algorithm) -> Result<Entry, Error> {
    let Tending { directory, now, cache } = tending;
    let schedule = parsed(directory)?;
    let file = directory.join(SCHEDULE);
    let waits = |entry: &Entry| entry.algorithm == algorithm && entry.active_from > now;
    if let Some(waiting) = schedule.keys.iter().find(|entry| waits(entry)) {
        let problem = format!("the key {} is next already, from {} on", waiting.kid, waiting.active_from);
        return Err(Error::keys(file, problem));
    }
    if schedule.signer(algorithm, now, cache).is_none() {
        return Err(Error::keys(file, format!("it has no active {algorithm} key: make the first one")));
    }
    add(tending, schedule, algorithm, now.plus(cache.as_duration()).plus(LEARNING))
}

fn forget(tending: Tending<'_>) -> Result<(), Error> {
    let Tending { directory, now, cache } = tending;
    let mut schedule = parsed(directory)?;
    let ended: Vec<String> = schedule.ended(now, cache).into_iter().map(|entry| entry.kid.clone()).collect();
    if ended.is_empty() {
        return Ok(());
    }
    schedule.keys.retain(|entry| !ended.contains(&entry.kid));
    write_schedule(directory, &schedule)?;
    for kid in ended {
        // the schedule that names it no more is durable
        let path = key_file(directory, &kid);
        fs::remove_file(&path).map_err(|error| Error::keys(path, error))?;
    }
    Ok(())
}

fn has(schedule: &Schedule, algorithm: Algorithm) -> bool {
    schedule.keys.iter().any(|entry| entry.algorithm == algorithm)
}

/// Held until it is dropped, or its process ends.
fn hold(directory: &Path) -> Result<File, Error> {
    let path = directory.join("schedule.lock");
    let failed = |error: std::io::Error| Error::keys(&path, error);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn parsed(directory: &Path) -> Result<Schedule, Error> {
    let file = directory.join(SCHEDULE);
    serde_json::from_str(&read(&file)?).map_err(|error| Error::keys(file, error))
}

fn add(
    tending: Tending<'_>,
    mut schedule: Schedule,
    algorithm: Algorithm,
    active_from: Timestamp,
) -> Result<Entry, Error> {
    let Tending { directory, now, .. } = tending;
    let failed = || Error::keys(directory, "the library makes no key");
    let document = PrivateKey::generate(algorithm).ok_or_else(failed)?;
    let kid = PrivateKey::from_pkcs8(algorithm, &document).ok_or_else(failed)?.public().kid;
    let certificate = match algorithm {
        Algorithm::Es256 => None,
        Algorithm::Rs256 => Some(certificate(&document, &kid).ok_or_else(failed)?),
    };
    let entry = Entry { kid, algorithm, published_at: now, active_from, certificate };
    write(&key_file(directory, &entry.kid), &document)?;
    schedule.keys.push(entry.clone());
    write_schedule(directory, &schedule)?;
    Ok(entry)
}

fn write_schedule(directory: &Path, schedule: &Schedule) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(schedule).map_err(|error| Error::keys(directory, error))?;
    write(&directory.join(SCHEDULE), &text)
}

/// Relying parties that want a certificate look at its key and at nothing else: it is signed by itself.
fn certificate(document: &[u8], kid: &str) -> Option<String> {
    let document = rustls_pki_types::PrivatePkcs8KeyDer::from(document);
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&document, &rcgen::PKCS_RSA_SHA256).ok()?;
    let mut params = rcgen::CertificateParams::new(Vec::default()).ok()?;
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("mint-broker {kid}"));
    let certificate = params.self_signed(&key).ok()?;
    Some(BASE64_STANDARD.encode(certificate.der()))
}

/// By rename: a reader sees the old file or the new one, and a crash leaves no half key.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::keys(path, error);
    let beside = path.with_extension("tmp");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use mint_types::RequestId;

    use super::*;
    use crate::grants::Subject;
    use crate::grants::tests::{row, table};
    use crate::refusal::Refusal;
    use crate::signing::{Care, KeyBook, LONGEST_TOKEN, TaggedToken};

    const CACHE: Period = Period::from_seconds(600);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_micros(1_800_000_000_000_000).plus(Duration::from_secs(second))
    }

    fn tending(directory: &Path, second: u64) -> Tending<'_> {
        Tending { directory, now: at(second), cache: CACHE }
    }

    fn open(directory: &Path) -> Result<KeyBook, Error> {
        KeyBook::open(directory, "https://broker.example.org", Period::from_seconds(300), CACHE)
    }

    fn signed(book: &KeyBook, second: u64) -> Result<TaggedToken, Refusal> {
        let subject = Subject::bearer("ci").unwrap();
        let grant = table(&[row("ci", "abc")]).unwrap().of(&subject, at(second)).unwrap();
        let id: RequestId = "0af76519-16cd-43dd-8448-eb211c80319c".parse().unwrap();
        book.sign(&grant, at(second), id)
    }

    fn kid_of(token: &TaggedToken) -> String {
        jsonwebtoken::decode_header(token.expose()).unwrap().kid.unwrap()
    }

    #[test]
    fn a_missing_key_is_never_made_silently() {
        let directory = tempfile::tempdir().unwrap();
        let refused = open(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("missing") && refused.contains("mint-broker keys"), "{refused}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
        let entry = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        fs::remove_file(key_file(directory.path(), &entry.kid)).unwrap();
        assert!(open(directory.path()).unwrap_err().to_string().contains("missing"));
    }

    #[test]
    fn a_key_or_a_schedule_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let entry = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        for file in [key_file(directory.path(), &entry.kid), directory.path().join(SCHEDULE)] {
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(open(directory.path()).unwrap_err().to_string().contains("0640"));
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert!(open(directory.path()).is_ok());
    }

    #[test]
    fn a_key_under_another_ones_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let entry = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        let other = PrivateKey::generate(Algorithm::Es256).unwrap();
        write(&key_file(directory.path(), &entry.kid), &other).unwrap();
        assert!(open(directory.path()).unwrap_err().to_string().contains("its name must say so"));
    }

    #[test]
    fn a_rotation_publishes_first_signs_later_and_withdraws_last() {
        let directory = tempfile::tempdir().unwrap();
        let first = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        assert!(make_first(tending(directory.path(), 0), Algorithm::Es256).is_err(), "there is one");
        let book = Arc::new(open(directory.path()).unwrap());
        assert_eq!(kid_of(&signed(&book, 1).unwrap()), first.kid);

        let second = rotate(tending(directory.path(), 100), Algorithm::Es256).unwrap();
        assert!(rotate(tending(directory.path(), 101), Algorithm::Es256).is_err(), "one is next already");
        book.refresh().unwrap();
        let kids = |second: u64| -> Vec<String> {
            book.published(at(second)).into_iter().map(|key| key.kid).collect()
        };
        assert_eq!(kids(100), [first.kid.clone(), second.kid.clone()]);
        let switch = 100 + CACHE.as_seconds() + LEARNING.as_secs();
        assert_eq!(kid_of(&signed(&book, switch - 1).unwrap()), first.kid);
        assert_eq!(kid_of(&signed(&book, switch).unwrap()), second.kid);
        // a token that the first key signed last is verified with what is published until it ends
        assert_eq!(kids(switch + LONGEST_TOKEN.as_secs()), [second.kid.clone(), first.kid.clone()]);
        assert_eq!(kids(switch + LONGEST_TOKEN.as_secs() + 60), std::slice::from_ref(&second.kid));

        let third = rotate(tending(directory.path(), switch + 9_000), Algorithm::Es256).unwrap();
        assert!(!key_file(directory.path(), &first.kid).exists(), "what nobody needs is gone");
        book.refresh().unwrap();
        assert_eq!(kids(switch + 9_000), [second.kid, third.kid]);
    }

    #[test]
    fn a_key_that_has_signed_for_its_time_is_followed_by_one_and_an_ended_one_goes() {
        const EVERY: Period = Period::from_seconds(50_000);
        let directory = tempfile::tempdir().unwrap();
        let first = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        let keep = |second| keep(tending(directory.path(), second), EVERY).unwrap();
        assert_eq!(keep(49_999), []);
        let [second] = keep(50_000).try_into().unwrap();
        assert_eq!(keep(50_000), [], "another replica, at the same time");
        let switch = 50_000 + CACHE.as_seconds() + LEARNING.as_secs();
        assert_eq!(second.active_from, at(switch));
        let last_token = switch + LONGEST_TOKEN.as_secs() + 60;
        keep(last_token - 1);
        assert!(key_file(directory.path(), &first.kid).exists(), "its last token may live");
        keep(last_token);
        assert!(!key_file(directory.path(), &first.kid).exists());
        assert_eq!(parsed(directory.path()).unwrap().keys, [second]);
    }

    #[test]
    fn first_keys_are_made_only_for_algorithms_that_have_none() {
        let directory = tempfile::tempdir().unwrap();
        let made = |second| {
            let both = [Algorithm::Es256, Algorithm::Es256, Algorithm::Rs256].into_iter();
            make_missing(tending(&directory.path().join("keys"), second), both).unwrap()
        };
        let algorithms: Vec<Algorithm> = made(0).iter().map(|entry| entry.algorithm).collect();
        assert_eq!(algorithms, [Algorithm::Es256, Algorithm::Rs256]);
        assert_eq!(made(1), []);
    }

    #[tokio::test]
    async fn a_running_process_rotates_its_keys_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let first = make_first(tending(directory.path(), 0), Algorithm::Es256).unwrap();
        let book = Arc::new(open(directory.path()).unwrap());
        let clock = mint_testkit::ManualClock::new(at(0));
        let care = Care {
            clock: Arc::new(clock.clone()),
            every: Period::from_seconds(50_000),
            look: Duration::from_millis(1),
        };
        let shutdown = tokio_util::sync::CancellationToken::new();
        let watching = tokio::spawn(Arc::clone(&book).watch(care, shutdown.clone()));
        clock.advance(Duration::from_secs(50_000));
        while book.published(at(50_000)).len() == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let second = book.published(at(50_000)).swap_remove(1);
        let switch = 50_000 + CACHE.as_seconds() + LEARNING.as_secs();
        assert_eq!(second.signs_from, at(switch), "published for a cache lifetime before it signs");
        assert_eq!(kid_of(&signed(&book, switch - 1).unwrap()), first.kid);
        assert_eq!(kid_of(&signed(&book, switch).unwrap()), second.kid);
        shutdown.cancel();
        watching.await.unwrap();
    }

    #[test]
    fn an_rs256_key_comes_with_a_certificate_of_its_own_and_without_one_nothing_is_signed() {
        let directory = tempfile::tempdir().unwrap();
        let entry = make_first(tending(directory.path(), 0), Algorithm::Rs256).unwrap();
        let book = open(directory.path()).unwrap();
        assert_eq!(signed(&book, 1).unwrap_err(), Refusal::NoKey(Algorithm::Es256));
        let jwks = book.jwks(at(1));
        assert_eq!((&jwks["keys"][0]["kid"], &jwks["keys"][0]["alg"]), (&entry.kid.into(), &"RS256".into()));
        let certificate = BASE64_STANDARD.decode(jwks["keys"][0]["x5c"][0].as_str().unwrap()).unwrap();
        let modulus = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(jwks["keys"][0]["n"].as_str().unwrap());
        let modulus = modulus.unwrap();
        assert!(certificate.windows(modulus.len()).any(|part| part == modulus), "it is of this key");
        assert!(jwks["keys"][0].get("d").is_none() && jwks["keys"].as_array().unwrap().len() == 1);
    }
}
