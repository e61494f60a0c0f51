//! Keys from a mounted directory.
//!
//! One file a key: `<use>-<id>.key` is active, `<use>-<id>.next.key` and `<use>-<id>.retiring.key` are what they say;
//! mode 0600; content: 32 bytes in base64, one line. Moving a key on in its life is renaming its file.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mint_types::Entropy;
use zeroize::Zeroizing;

use crate::key::random_seed;
use crate::{
    Error, FingerprintKey, KeyId, KeyStage, KeyUse, PublishedKey, SealKey, SealKeys, SealPublicKey,
    SigningKey,
};

/// No key file is longer: a base64 line of 32 bytes has 44 characters.
const LONGEST_FILE: u64 = 128;

/// Whether missing keys may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generate {
    /// One machine: make and keep what is missing.
    WhenMissing,
    /// Replicas share mounted keys: a missing one is a fault.
    Never,
}

/// The keys of one service.
#[derive(Debug)]
pub struct KeyRing {
    directory: PathBuf,
    published: Vec<PublishedKey>,
    signing: BTreeMap<KeyUse, SigningKey>,
    seal: BTreeMap<KeyUse, SealKeys>,
    fingerprint: Option<FingerprintKey>,
}

impl KeyRing {
    /// Loads every key of these uses; refuses a file that others can read, that is misnamed, that is of another use,
    /// and a use without exactly one active key.
    pub fn load(
        directory: &Path,
        uses: &[KeyUse],
        generate: Generate,
        entropy: &dyn Entropy,
    ) -> Result<Self, Error> {
        if generate == Generate::WhenMissing {
            make_directory(directory)?;
        }
        let mut ring = Self::empty(directory);
        for path in key_files(directory)? {
            let name = KeyName::parse(&path).filter(|name| uses.contains(&name.key_use));
            let name = name.ok_or_else(|| {
                let expected = uses.iter().map(|key_use| key_use.as_str()).collect::<Vec<_>>().join(", ");
                refuse(
                    &path,
                    format!("the name must be <use>-<id>[.next|.retiring].key with a use of {expected}"),
                )
            })?;
            let seed = read_key_file(&path)?;
            ring.add(&path, &name, &seed)?;
        }
        for key_use in uses {
            if ring.has_active(*key_use) {
                continue;
            }
            match generate {
                Generate::WhenMissing => ring.generate(*key_use, entropy)?,
                Generate::Never => return Err(ring.fault(*key_use, "there is no active key")),
            }
        }
        ring.published.sort_by(|one, other| (one.key_use, &one.id).cmp(&(other.key_use, &other.id)));
        Ok(ring)
    }

    /// Fresh keys that live only in this process: for tests and simulations.
    pub fn in_memory(uses: &[KeyUse], entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut ring = Self::empty(Path::new("(memory)"));
        for key_use in uses {
            let seed = random_seed(entropy);
            let name = KeyName { key_use: *key_use, id: None, stage: KeyStage::Active };
            ring.add(Path::new("(memory)"), &name, &seed)?;
        }
        Ok(ring)
    }

    /// The public halves, of every stage.
    pub fn published(&self) -> &[PublishedKey] {
        &self.published
    }

    /// The active signing key of a use.
    pub fn signing(&self, key_use: KeyUse) -> Result<&SigningKey, Error> {
        self.signing.get(&key_use).ok_or_else(|| self.fault(key_use, "there is no active key"))
    }

    /// Every key that opens envelopes of a use.
    pub fn seal_keys(&self, key_use: KeyUse) -> Result<&SealKeys, Error> {
        self.seal.get(&key_use).ok_or_else(|| self.fault(key_use, "there is no active key"))
    }

    /// The active key to seal to.
    pub fn seal_public(&self, key_use: KeyUse) -> Result<SealPublicKey, Error> {
        SealPublicKey::active(key_use, &self.published)
            .ok_or_else(|| self.fault(key_use, "there is no active key"))
    }

    /// The fingerprint key.
    pub fn fingerprint(&self) -> Result<&FingerprintKey, Error> {
        self.fingerprint
            .as_ref()
            .ok_or_else(|| self.fault(KeyUse::RotatorFingerprint, "there is no active key"))
    }

    fn empty(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            published: Vec::new(),
            signing: BTreeMap::new(),
            seal: BTreeMap::new(),
            fingerprint: None,
        }
    }

    fn fault(&self, key_use: KeyUse, problem: &'static str) -> Error {
        Error::KeyRing { directory: self.directory.clone(), key_use, problem }
    }

    fn has_active(&self, key_use: KeyUse) -> bool {
        if key_use == KeyUse::RotatorFingerprint {
            return self.fingerprint.is_some();
        }
        self.published.iter().any(|key| key.key_use == key_use && key.stage == KeyStage::Active)
    }

    fn add(&mut self, path: &Path, name: &KeyName, seed: &[u8; 32]) -> Result<(), Error> {
        let KeyName { key_use, id: named, stage } = name;
        if *stage == KeyStage::Active && self.has_active(*key_use) {
            return Err(self.fault(*key_use, "there is more than one active key"));
        }
        let unusable = || refuse(path, "it holds no usable key".to_owned());
        let (id, public_key) = match key_use {
            KeyUse::RotatorSign | KeyUse::DistributorReceipt => {
                let key = SigningKey::from_seed(*key_use, seed).ok_or_else(unusable)?;
                let public = key.public().ok_or_else(unusable)?;
                let id = key.id().clone();
                if *stage == KeyStage::Active {
                    self.signing.insert(*key_use, key);
                }
                (id, Some(public))
            }
            KeyUse::RotatorProbe | KeyUse::DistributorSeal => {
                let key = SealKey::from_seed(*key_use, seed).ok_or_else(unusable)?;
                let (id, public) = (key.id().clone(), key.public());
                self.seal.entry(*key_use).or_default().push(key);
                (id, Some(public))
            }
            KeyUse::RotatorFingerprint => {
                let key = FingerprintKey::from_seed(*key_use, seed);
                let id = key.id().clone();
                if *stage == KeyStage::Active {
                    self.fingerprint = Some(key);
                }
                (id, None)
            }
        };
        if named.as_ref().is_some_and(|named| *named != id) {
            return Err(refuse(path, format!("it holds key {id}: the name must say so")));
        }
        if let Some(public_key) = public_key {
            self.published.push(PublishedKey { id, key_use: *key_use, public_key, stage: *stage });
        }
        Ok(())
    }

    fn generate(&mut self, key_use: KeyUse, entropy: &dyn Entropy) -> Result<(), Error> {
        let seed = random_seed(entropy);
        let mut name = KeyName { key_use, id: None, stage: KeyStage::Active };
        self.add(&self.directory.clone(), &name, &seed)?;
        let id = match key_use {
            KeyUse::RotatorFingerprint => self.fingerprint()?.id().clone(),
            _ => self
                .published
                .last()
                .map(|key| key.id.clone())
                .ok_or_else(|| self.fault(key_use, "nothing was generated"))?,
        };
        name.id = Some(id);
        write_key_file(&self.directory, &name.file_name(), &seed)
    }
}

/// What a key file's name says.
struct KeyName {
    key_use: KeyUse,
    /// None only for keys that were just made.
    id: Option<KeyId>,
    stage: KeyStage,
}

impl KeyName {
    fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".key")?;
        let (stem, stage) = match stem.rsplit_once('.') {
            None => (stem, KeyStage::Active),
            Some((stem, "next")) => (stem, KeyStage::Next),
            Some((stem, "retiring")) => (stem, KeyStage::Retiring),
            Some(_) => return None,
        };
        let (key_use, id) = stem.rsplit_once('-')?;
        Some(Self { key_use: KeyUse::from_name(key_use)?, id: Some(id.parse().ok()?), stage })
    }

    fn file_name(&self) -> String {
        let stage = match self.stage {
            KeyStage::Active => "",
            KeyStage::Next => ".next",
            KeyStage::Retiring => ".retiring",
        };
        let id = self.id.as_ref().map_or("", KeyId::as_str);
        format!("{}-{id}{stage}.key", self.key_use)
    }
}

fn refuse(path: &Path, problem: String) -> Error {
    Error::KeyFile { path: path.to_owned(), problem }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |error| refuse(path, error.to_string())
}

fn make_directory(directory: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))
}

/// The key files of a directory, in the order of their names so that loading is repeatable.
fn key_files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    let file = File::open(path).map_err(failed(path))?;
    let mode = file.metadata().map_err(failed(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(path, format!("mode {mode:04o} lets others read or change it: set it to 0600")));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST_FILE).unwrap_or(128)));
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(failed(path))?;
    let mut seed = Zeroizing::new([0_u8; 32]);
    match STANDARD.decode_slice(text.trim_end(), seed.as_mut()) {
        Ok(32) => Ok(seed),
        Ok(_) | Err(_) => Err(refuse(path, "it must hold 32 bytes in base64 on one line".to_owned())),
    }
}

/// Writes beside, then renames: a crash leaves no half key under the final name.
fn write_key_file(directory: &Path, name: &str, seed: &[u8; 32]) -> Result<(), Error> {
    let path = directory.join(name);
    let beside = directory.join(format!(".{name}.tmp"));
    let mut text = Zeroizing::new([b'\n'; 45]);
    STANDARD.encode_slice(seed, &mut text[..44]).map_err(|error| refuse(&path, error.to_string()))?;
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&beside)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed(&beside))?;
    file.write_all(text.as_ref()).and_then(|()| file.sync_all()).map_err(failed(&beside))?;
    fs::rename(&beside, &path).map_err(failed(&path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    const USES: [KeyUse; 3] = [KeyUse::RotatorSign, KeyUse::RotatorProbe, KeyUse::RotatorFingerprint];

    fn load(directory: &Path, generate: Generate) -> Result<KeyRing, Error> {
        KeyRing::load(directory, &USES, generate, &Noise::new(9))
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        key_files(directory).unwrap()
    }

    #[test]
    fn generated_keys_are_private_files_and_load_again_as_the_same_keys() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let made = load(&keys, Generate::WhenMissing).unwrap();
        let again = load(&keys, Generate::Never).unwrap();
        assert_eq!(made.published(), again.published());
        assert_eq!(made.published().len(), 2, "the fingerprint key has no public half");
        assert_eq!(files(&keys).len(), 3);
        for path in files(&keys) {
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_missing_key_is_a_fault_where_nothing_may_be_generated() {
        let directory = tempfile::tempdir().unwrap();
        let refused = load(directory.path(), Generate::Never).unwrap_err();
        assert!(refused.to_string().contains("there is no active key for rotator-sign"), "{refused}");
        assert!(files(directory.path()).is_empty());
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        load(directory.path(), Generate::WhenMissing).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o602] {
            let path = &files(directory.path())[0];
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = load(directory.path(), Generate::Never).unwrap_err();
            assert!(refused.to_string().contains("set it to 0600"), "{refused}");
        }
    }

    #[test]
    fn a_key_under_another_keys_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        load(directory.path(), Generate::WhenMissing).unwrap();
        let path =
            files(directory.path()).into_iter().find(|path| path.to_string_lossy().contains("sign")).unwrap();
        fs::rename(&path, directory.path().join("rotator-sign-0123456789abcdef.key")).unwrap();
        let refused = load(directory.path(), Generate::Never).unwrap_err();
        assert!(refused.to_string().contains("the name must say so"), "{refused}");
    }

    #[test]
    fn another_services_key_in_the_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        load(directory.path(), Generate::WhenMissing).unwrap();
        fs::write(directory.path().join("distributor-seal-0123456789abcdef.key"), "x").unwrap();
        let refused = load(directory.path(), Generate::Never).unwrap_err();
        assert!(refused.to_string().contains("with a use of rotator-sign"), "{refused}");
    }

    #[test]
    fn a_key_goes_from_next_over_active_to_retiring_by_renaming() {
        let directory = tempfile::tempdir().unwrap();
        let old = load(directory.path(), Generate::WhenMissing).unwrap();
        let old_id = old.signing(KeyUse::RotatorSign).unwrap().id().clone();
        let name = format!("rotator-sign-{old_id}");
        let rename = |from: &str, to: &str| {
            fs::rename(
                directory.path().join(format!("{name}{from}")),
                directory.path().join(format!("{name}{to}")),
            )
            .unwrap();
        };
        rename(".key", ".retiring.key");
        assert!(load(directory.path(), Generate::Never).is_err(), "retiring alone is not active");
        let renewed = KeyRing::load(directory.path(), &USES, Generate::WhenMissing, &Noise::new(10)).unwrap();
        assert_ne!(*renewed.signing(KeyUse::RotatorSign).unwrap().id(), old_id);
        let stages: Vec<_> = renewed.published().iter().map(|key| (key.id == old_id, key.stage)).collect();
        assert!(stages.contains(&(true, KeyStage::Retiring)), "{stages:?}");
        rename(".retiring.key", ".key");
        let refused = load(directory.path(), Generate::Never).unwrap_err();
        assert!(refused.to_string().contains("more than one active key"), "{refused}");
    }
}
