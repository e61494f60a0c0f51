//! A private key: ES256 or RS256 (RFC 7518), held as the library's own handle.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What a relying party verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// The name of RFC 7518.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Algorithm {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            _ => Err("an algorithm is ES256 or RS256"),
        }
    }
}

/// A key that signs. Nothing of it is printed.
pub(crate) enum PrivateKey {
    /// P-256.
    Es256(Box<EcdsaKeyPair>),
    /// RSA.
    Rs256(Box<RsaKeyPair>),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm())
    }
}

/// A public half: the members of its JWK that make its thumbprint, and that thumbprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// RFC 7638, SHA-256.
    pub kid: String,
    /// Of which algorithm.
    pub algorithm: Algorithm,
    members: Vec<(&'static str, String)>,
}

impl PublicKey {
    fn new(algorithm: Algorithm, members: Vec<(&'static str, String)>) -> Self {
        // RFC 7638, section 3: the required members in the order of their names, no white space
        let members_json: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        let canonical = format!("{{{}}}", members_json.join(","));
        let kid = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        Self { kid, algorithm, members }
    }

    /// The JWK (RFC 7517), with a certificate where there is one.
    pub(crate) fn jwk(&self, certificate: Option<&str>) -> Value {
        let mut jwk = json!({"use": "sig", "alg": self.algorithm.as_str(), "kid": self.kid});
        for (name, value) in &self.members {
            jwk[*name] = json!(value);
        }
        if let Some(certificate) = certificate {
            jwk["x5c"] = json!([certificate]);
        }
        jwk
    }
}

impl PrivateKey {
    /// Reads PKCS #8; none if it holds no key of the algorithm.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).ok()?;
                Some(Self::Es256(Box::new(pair)))
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(document).ok()?;
                (pair.public_modulus_len() >= 256).then(|| Self::Rs256(Box::new(pair)))
            }
        }
    }

    /// Makes a key and answers its PKCS #8.
    pub(crate) fn generate(algorithm: Algorithm) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(match algorithm {
            Algorithm::Es256 => {
                let random = SystemRandom::new();
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .ok()?
                    .as_ref()
                    .to_vec()
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
                let document: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().ok()?;
                document.as_ref().to_vec()
            }
        }))
    }

    /// Its algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Its public half.
    pub(crate) fn public(&self) -> PublicKey {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                // SEC 1, 2.3.3: 0x04, 32 bytes of x, 32 bytes of y
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at_checked(32).unwrap_or_default();
                let members = vec![
                    ("crv", "P-256".to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", text(x)),
                    ("y", text(y)),
                ];
                PublicKey::new(Algorithm::Es256, members)
            }
            Self::Rs256(pair) => {
                let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref()).unwrap_or_default();
                let members = vec![("e", text(exponent)), ("kty", "RSA".to_owned()), ("n", text(modulus))];
                PublicKey::new(Algorithm::Rs256, members)
            }
        }
    }

    /// Signs; none only if the library refuses.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, appendix A.1.1), which is a sequence of the two.
fn rsa_numbers(document: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(document, 0x30)?;
    let (modulus, rest) = der_value(sequence, 0x02)?;
    let (exponent, _) = der_value(rest, 0x02)?;
    // DER puts a zero before a number whose first bit is set; RFC 7518, section 6.3.1 wants none
    let bare = |number: &'_ [u8]| number.iter().take_while(|byte| **byte == 0).count();
    Some((modulus.get(bare(modulus)..)?, exponent.get(bare(exponent)..)?))
}

/// The value of an element with this tag, and what follows it (X.690, section 8.1).
fn der_value(document: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = document.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(4))?;
        (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        // RFC 7638, section 3.1
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = vec![("e", "AQAB".to_owned()), ("kty", "RSA".to_owned()), ("n", modulus.to_owned())];
        assert_eq!(
            PublicKey::new(Algorithm::Rs256, members).kid,
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_survives_its_file_and_is_of_one_algorithm() {
        for (algorithm, other) in [(Algorithm::Es256, Algorithm::Rs256), (Algorithm::Rs256, Algorithm::Es256)]
        {
            let document = PrivateKey::generate(algorithm).unwrap();
            let key = PrivateKey::from_pkcs8(algorithm, &document).unwrap();
            assert_eq!(key.public(), PrivateKey::from_pkcs8(algorithm, &document).unwrap().public());
            assert!(PrivateKey::from_pkcs8(other, &document).is_none());
            assert_eq!(format!("{key:?}"), format!("PrivateKey({algorithm})"));
        }
    }
}
