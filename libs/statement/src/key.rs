//! Who signs, and who is believed.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mint_types::{Entropy, ServiceName, TeamId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Error;

/// Somebody who can sign a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Signer {
    /// A person who operates Mint.
    Operator(String),
    /// A team that owns applications.
    Team(TeamId),
    /// A service.
    Service(ServiceName),
}

impl fmt::Display for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(formatter, "operator/{name}"),
            Self::Team(team) => write!(formatter, "team/{team}"),
            Self::Service(service) => write!(formatter, "service/{service}"),
        }
    }
}

impl FromStr for Signer {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::Malformed(format!("{text:?} is no signer: operator/…, team/… or service/…"));
        let (role, name) = text.split_once('/').ok_or_else(refused)?;
        let is_name = (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._@".contains(&byte));
        match role {
            "operator" if is_name => Ok(Self::Operator(name.to_owned())),
            "team" => name.parse().map(Self::Team).map_err(|_| refused()),
            "service" => name.parse().map(Self::Service).map_err(|_| refused()),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for Signer {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Signer> for String {
    fn from(signer: Signer) -> Self {
        signer.to_string()
    }
}

/// Names a key: `<signer>#<first 16 hexadecimal digits of the SHA-256 of the public key>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    fn of(signer: &Signer, public_key: &[u8]) -> Self {
        Self(format!("{signer}#{}", hex::encode(&Sha256::digest(public_key)[..8])))
    }

    pub(crate) fn claimed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A signer's private key (Ed25519, RFC 8032).
pub struct StatementKey {
    signer: Signer,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for StatementKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StatementKey({})", self.key_id())
    }
}

impl StatementKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(signer: Signer, seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| Error::Malformed("the seed is no Ed25519 seed".to_owned()))?;
        Ok(Self { signer, pair })
    }

    /// Text for a new key file: the seed in base64, one line.
    pub fn generate(entropy: &dyn Entropy) -> Zeroizing<String> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(seed.as_mut());
        Zeroizing::new(format!("{}\n", STANDARD.encode(seed.as_slice())))
    }

    /// The key of a key file's text.
    pub fn parse(signer: Signer, text: &str) -> Result<Self, Error> {
        let refused = || Error::Malformed("a key file holds 32 bytes in base64, and nothing else".to_owned());
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| refused())?);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| refused())?);
        Self::from_seed(signer, &seed)
    }

    /// Reads a key file, which nobody but its owner may read.
    pub fn read(signer: Signer, path: &Path) -> Result<Self, Error> {
        let failed = |problem: String| Error::KeyFile { path: path.to_owned(), problem };
        let metadata =
            std::fs::metadata(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failed(format!("it has mode {mode:04o}: nobody but its owner may read it (0600)")));
        }
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|error| failed(format!("it cannot be read: {error}")))?;
        Self::parse(signer, &text).map_err(|error| failed(error.to_string()))
    }

    /// Whose key it is.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Its id.
    pub fn key_id(&self) -> KeyId {
        KeyId::of(&self.signer, self.pair.public_key().as_ref())
    }

    /// The entry that makes verifiers believe it.
    pub fn trusted(&self) -> TrustedKey {
        TrustedKey {
            signer: self.signer.clone(),
            public_key: STANDARD.encode(self.pair.public_key().as_ref()),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// One line of the file of trusted keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Whose key it is.
    pub signer: Signer,
    /// The public key, 32 bytes in base64.
    pub public_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedFile {
    keys: Vec<TrustedKey>,
}

/// Who is believed. A signer may have several keys, so that one can follow the other.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<KeyId, (Signer, [u8; 32])>);

impl TrustedKeys {
    /// From the entries of a file.
    pub fn of(keys: &[TrustedKey]) -> Result<Self, Error> {
        let mut trusted = BTreeMap::new();
        for key in keys {
            let refused =
                || Error::Malformed(format!("the public key of {} is not 32 bytes in base64", key.signer));
            let bytes = STANDARD.decode(&key.public_key).map_err(|_| refused())?;
            let public_key: [u8; 32] = bytes.try_into().map_err(|_| refused())?;
            trusted.insert(KeyId::of(&key.signer, &public_key), (key.signer.clone(), public_key));
        }
        Ok(Self(trusted))
    }

    /// From a file's text: `{"keys": [{"signer": "operator/…", "public_key": "…"}]}`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let file: TrustedFile = serde_json::from_str(text)
            .map_err(|error| Error::Malformed(format!("the trusted keys: {error}")))?;
        Self::of(&file.keys)
    }

    /// Reads the file as it is now: a replaced file is in force at once.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |problem: String| Error::KeyFile { path: path.to_owned(), problem };
        let text =
            std::fs::read_to_string(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
        Self::parse(&text).map_err(|error| failed(error.to_string()))
    }

    /// As [`TrustedKeys::read`]; where no file is configured, nobody is believed.
    pub fn configured(path: Option<&Path>) -> Result<Self, Error> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// The text of a file with these keys.
    pub fn to_text(keys: Vec<TrustedKey>) -> String {
        serde_json::to_string_pretty(&TrustedFile { keys }).unwrap_or_default()
    }

    /// The signer of a key that fits; none if the key is not trusted.
    pub(crate) fn verify(
        &self,
        key: &KeyId,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Option<&Signer>, Error> {
        let Some((signer, public_key)) = self.0.get(key) else {
            return Ok(None);
        };
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(message, signature)
            .map_err(|_| Error::BadSignature(key.clone()))?;
        Ok(Some(signer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("statement.key");
        std::fs::write(&path, STANDARD.encode([7; 32])).unwrap();
        let signer = Signer::Operator("ada".to_owned());
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(StatementKey::read(signer.clone(), &path).is_ok(), is_read, "{mode:o}");
        }
    }

    #[test]
    fn signers_read_back_as_they_are_written() {
        for text in ["operator/ada", "team/shipping", "service/identity-provisioner"] {
            assert_eq!(text.parse::<Signer>().unwrap().to_string(), text);
        }
        for text in
            ["ada", "operator/", "operator/a b", "team/a/b", "service/nobody", "application/shop", "/"]
        {
            assert!(text.parse::<Signer>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_trusted_key_of_the_wrong_length_is_refused() {
        let text = r#"{"keys": [{"signer": "operator/ada", "public_key": "AAAA"}]}"#;
        assert!(TrustedKeys::parse(text).unwrap_err().to_string().contains("operator/ada"));
        assert!(TrustedKeys::parse(r#"{"keys": [], "more": 1}"#).is_err());
    }
}
