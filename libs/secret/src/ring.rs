//! Keys from a mounted directory.
//!
//! One file a key: `<use>-<id>.key` is active, `<use>-<id>.next.key` and `<use>-<id>.retiring.key` are what they say;
//! mode 0600; content: 32 bytes in base64, one line. Moving a key on in its life is renaming its file.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mint_types::Entropy;

use crate::key::random_seed;
use crate::{
    Error, FingerprintKey, KeyStage, KeyUse, PublishedKey, SealKey, SealKeys, SealPublicKey, SigningKey,
};
use file::{KeyName, key_files, make_directory, read_key_file, refuse, write_key_file};

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

#[cfg(test)]
mod tests;
