//! JSON Web Tokens (RFC 7519) signed with ES256, and their JWKS (RFC 7517): for the token endpoint and the platform.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mint_types::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::private_file;

/// A P-256 key that signs, kept in a file of mode 0600.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token was not signed by this key")]
    Signature,
    #[error("the token has expired or is not valid yet")]
    Expired,
}

impl SigningKey {
    /// The key of the file (PKCS #8), or a fresh one that is written there.
    pub(crate) fn load_or_create(path: &Path) -> io::Result<Self> {
        let document = match fs::read(path) {
            Ok(document) => Zeroizing::new(document),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(error),
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not a P-256 key"))?;
        let kid = BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, pair.public_key().as_ref()).as_ref()[..12]);
        Ok(Self { pair, kid })
    }

    /// Signs claims as a compact JWS. None only if the key refuses to sign.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"alg": "ES256", "kid": self.kid, "typ": "JWT"});
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.pair.sign(&SystemRandom::new(), token.as_bytes()).ok()?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The claims of a token that this key signed and that is valid now. Issuer and audience are the caller's to check.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Value, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header = decode(header)?;
        if header["alg"] != "ES256" || header["kid"] != self.kid.as_str() {
            return Err(Refused::Signature);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| Refused::Signature)?;
        let claims = decode(claims)?;
        let second = now.unix_millis() / 1000;
        let expires = claims["exp"].as_i64().ok_or(Refused::Malformed)?;
        if expires <= second || claims["nbf"].as_i64().is_some_and(|not_before| not_before > second) {
            return Err(Refused::Expired);
        }
        Ok(claims)
    }

    /// The public half as a JWK set.
    pub(crate) fn jwks(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let coordinate = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": coordinate(1..33), "y": coordinate(33..65),
        }]})
    }
}

fn create(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| io::Error::other("no key could be made"))?;
    let document = Zeroizing::new(document.as_ref().to_vec());
    private_file::write(path, &document)?;
    Ok(document)
}

fn decode(part: &str) -> Result<Value, Refused> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_accepted_only_unchanged_in_time_and_from_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&directory.path().join("key")).unwrap();
        let again = SigningKey::load_or_create(&directory.path().join("key")).unwrap();
        let other = SigningKey::load_or_create(&directory.path().join("other")).unwrap();
        let token = key.sign(&json!({"sub": "stups_kio", "exp": 100})).unwrap();
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000);
        assert_eq!(again.verify(&token, at(99)).unwrap()["sub"], "stups_kio");
        assert_eq!(key.verify(&token, at(100)), Err(Refused::Expired));
        assert_eq!(other.verify(&token, at(99)), Err(Refused::Signature));
        let (head, tail) = token.split_once('.').unwrap();
        let forged = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"root","exp":100}"#);
        let (_, signature) = tail.split_once('.').unwrap();
        assert_eq!(key.verify(&format!("{head}.{forged}.{signature}"), at(99)), Err(Refused::Signature));
        assert_eq!(key.verify("a.b", at(99)), Err(Refused::Malformed));
    }
}
