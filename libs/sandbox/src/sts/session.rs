//! Temporary credentials that need no table.
//!
//! The secret key is computed from the access key id, and the session token says and proves the rest, so that sessions
//! survive a restart of this world with one key file, and nothing is ever swept.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use mint_types::{Entropy, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::private_file;
use crate::vault::fresh_secret;

/// Who a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) access_key: String,
    pub(crate) role_arn: String,
    pub(crate) name: String,
    /// Unix seconds.
    pub(crate) expires: i64,
    /// Its session tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Session {
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now.unix_millis().div_euclid(1000)
    }

    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    pub(crate) fn assumed_role_arn(&self) -> String {
        let rest = self.role_arn.strip_prefix("arn:aws:iam::").unwrap_or_default();
        let (account, role) = rest.split_once(":role/").unwrap_or_default();
        format!("arn:aws:sts::{account}:assumed-role/{role}/{}", self.name)
    }
}

/// Makes and recognizes temporary credentials.
pub(crate) struct Sessions {
    key: hmac::Key,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Why a session token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not made here, or made for another access key.
    Invalid,
    Expired,
}

/// AWS's mark of a temporary access key.
const MARK: &str = "ASIA";
/// Random bytes of an access key id.
const RANDOM: usize = 6;
/// Bytes of an access key id that prove it was made here; with the random ones they make 16 characters of base 32.
const PROOF: usize = 4;
/// AWS's secret keys have 40 characters.
const SECRET_LENGTH: usize = 40;

impl Sessions {
    pub(crate) fn open(directory: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let path = directory.join("keys").join("sts.key");
        let key = private_file::keep_or_make(&path, || fresh_secret(entropy, ""))?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()) })
    }

    pub(crate) fn new_access_key(&self, entropy: &dyn Entropy) -> String {
        let mut bytes = [0; RANDOM];
        entropy.fill(&mut bytes);
        self.access_key(bytes)
    }

    fn access_key(&self, random: [u8; RANDOM]) -> String {
        let proof = self.mac("access-key", &random);
        let bytes: Vec<u8> = random.into_iter().chain(proof.as_ref().iter().copied().take(PROOF)).collect();
        format!("{MARK}{}", base32(&bytes))
    }

    /// The secret of an access key that was made here.
    pub(crate) fn secret(&self, access_key: &str) -> Option<Zeroizing<String>> {
        let decoded = unbase32(access_key.strip_prefix(MARK)?)?;
        let random: [u8; RANDOM] = decoded.get(..RANDOM)?.try_into().ok()?;
        if self.access_key(random) != access_key {
            return None;
        }
        let mut secret =
            Zeroizing::new(BASE64_STANDARD.encode(self.mac("secret-key", access_key.as_bytes())));
        secret.truncate(SECRET_LENGTH);
        Some(secret)
    }

    /// The token that goes with the session's access key; none only if the session cannot be written as JSON.
    pub(crate) fn token(&self, session: &Session) -> Option<Zeroizing<String>> {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(session).ok()?);
        let proof = BASE64_URL_SAFE_NO_PAD.encode(self.mac("session-token", payload.as_bytes()));
        Some(Zeroizing::new(format!("{payload}.{proof}")))
    }

    /// The session of a token, if the token was made for `access_key`.
    pub(crate) fn recognize(
        &self,
        access_key: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Session, Refusal> {
        let (payload, proof) = token.split_once('.').ok_or(Refusal::Invalid)?;
        let proof = BASE64_URL_SAFE_NO_PAD.decode(proof).map_err(|_| Refusal::Invalid)?;
        let message = message("session-token", payload.as_bytes());
        hmac::verify(&self.key, &message, &proof).map_err(|_| Refusal::Invalid)?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refusal::Invalid)?;
        let session: Session = serde_json::from_slice(&payload).map_err(|_| Refusal::Invalid)?;
        if session.access_key != access_key {
            return Err(Refusal::Invalid);
        }
        if session.is_expired(now) { Err(Refusal::Expired) } else { Ok(session) }
    }

    fn mac(&self, purpose: &str, data: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, &message(purpose, data))
    }
}

fn message(purpose: &str, data: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), b":", data].concat()
}

/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1));
    let bits: Vec<u8> = bits.collect();
    let digit = |five: &[u8]| five.iter().fold(0_usize, |digit, bit| digit * 2 + usize::from(*bit));
    bits.chunks(5).filter_map(|five| BASE32.get(digit(five)).map(|symbol| char::from(*symbol))).collect()
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for symbol in text.bytes() {
        let digit = BASE32.iter().position(|known| *known == symbol)?;
        bits.extend((0..5).rev().map(|bit| u8::from((digit >> bit) & 1 == 1)));
    }
    Some(bits.chunks_exact(8).map(|eight| eight.iter().fold(0, |byte, bit| (byte << 1) | bit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SystemEntropy;

    fn sessions() -> Sessions {
        Sessions { key: hmac::Key::new(hmac::HMAC_SHA256, b"test") }
    }

    fn session(access_key: &str) -> Session {
        Session {
            access_key: access_key.to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/mint-reader-kio".to_owned(),
            name: "test".to_owned(),
            expires: 100,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_session_is_recognized_by_its_own_token_until_it_expires() {
        let sessions = sessions();
        let key = sessions.new_access_key(&SystemEntropy);
        let token = sessions.token(&session(&key)).unwrap();
        assert_eq!(
            sessions.recognize(&key, &token, Timestamp::from_unix_micros(99_999_999)),
            Ok(session(&key))
        );
        assert_eq!(
            sessions.recognize(&key, &token, Timestamp::from_unix_micros(100_000_000)),
            Err(Refusal::Expired)
        );
        assert_eq!(
            session(&key).assumed_role_arn(),
            "arn:aws:sts::123456789012:assumed-role/mint-reader-kio/test"
        );
    }

    #[test]
    fn a_token_of_another_session_or_a_changed_one_is_refused() {
        let sessions = sessions();
        let (mine, other) =
            (sessions.new_access_key(&SystemEntropy), sessions.new_access_key(&SystemEntropy));
        assert_ne!(mine, other);
        let token = sessions.token(&session(&other)).unwrap();
        let now = Timestamp::from_unix_micros(0);
        assert_eq!(sessions.recognize(&mine, &token, now), Err(Refusal::Invalid));
        let (payload, proof) = token.split_once('.').unwrap();
        let forged = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&session(&mine)).unwrap());
        assert_eq!(sessions.recognize(&mine, &format!("{forged}.{proof}"), now), Err(Refusal::Invalid));
        assert_eq!(sessions.recognize(&other, &format!("{payload}."), now), Err(Refusal::Invalid));
        assert_eq!(sessions.recognize(&other, "", now), Err(Refusal::Invalid));
    }

    #[test]
    fn only_access_keys_that_were_made_here_have_a_secret() {
        let sessions = sessions();
        let key = sessions.new_access_key(&SystemEntropy);
        assert_eq!(key.len(), 20);
        assert_eq!(sessions.secret(&key).unwrap().len(), SECRET_LENGTH);
        assert_ne!(sessions.secret(&key), sessions.secret(&sessions.new_access_key(&SystemEntropy)));
        for foreign in ["", "ASIA", "AKIAIOSFODNN7EXAMPLE", "ASIAAAAAAAAAAAAAAAAA", "ASIAaaaaaaaaaaaaaaaa"] {
            assert!(sessions.secret(foreign).is_none(), "{foreign}");
        }
        let elsewhere = Sessions { key: hmac::Key::new(hmac::HMAC_SHA256, b"another world") };
        assert!(elsewhere.secret(&key).is_none());
    }
}
