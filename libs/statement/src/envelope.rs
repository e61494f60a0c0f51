//! A statement with its signatures: a DSSE envelope (protocol v1).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mint_types::{ServiceName, TeamId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::{Error, KeyId, LONGEST_LIFE, Signer, Statement, StatementKey, TrustedKeys};

/// The DSSE payload type of statements; it is signed too.
pub const PAYLOAD_TYPE: &str = "application/vnd.mint.statement+json";
/// A statement of a few fields is far shorter; it bounds what is parsed before anything is believed.
const LARGEST: usize = 256 * 1024;
/// More signatures than anybody needs.
const MOST_SIGNATURES: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: String,
    sig: String,
}

/// A statement and who signed it; nothing of it is believed before [`SignedStatement::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    payload: Vec<u8>,
    statement: Statement,
    signatures: Vec<(KeyId, Vec<u8>)>,
}

impl SignedStatement {
    /// A statement with its first signature; refused if nobody would believe it.
    pub fn sign(statement: Statement, key: &StatementKey) -> Result<Self, Error> {
        statement.subject.check()?;
        let payload = serde_json::to_vec(&statement).map_err(|error| Error::Malformed(error.to_string()))?;
        Ok(Self { payload, statement, signatures: Vec::new() }.signed_by(key))
    }

    /// The same with one more signature; a second one by the same key replaces the first.
    pub fn signed_by(mut self, key: &StatementKey) -> Self {
        let id = key.key_id();
        self.signatures.retain(|(other, _)| *other != id);
        self.signatures.push((id, key.sign(&pre_authentication(&self.payload))));
        self
    }

    /// Takes an envelope apart.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LARGEST {
            return Err(Error::Malformed(format!("it is longer than {LARGEST} bytes")));
        }
        let malformed =
            |what: &str, error: &dyn std::fmt::Display| Error::Malformed(format!("{what}: {error}"));
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| malformed("the envelope", &error))?;
        if wire.payload_type != PAYLOAD_TYPE {
            return Err(Error::Malformed(format!("its payload type is {:?}", wire.payload_type)));
        }
        if wire.signatures.len() > MOST_SIGNATURES {
            return Err(Error::Malformed(format!("it has more than {MOST_SIGNATURES} signatures")));
        }
        let payload = STANDARD.decode(&wire.payload).map_err(|error| malformed("the payload", &error))?;
        let statement = serde_json::from_slice(&payload).map_err(|error| malformed("the payload", &error))?;
        let mut signatures = Vec::new();
        for WireSignature { keyid, sig } in &wire.signatures {
            let signature = STANDARD.decode(sig).map_err(|error| malformed("a signature", &error))?;
            signatures.push((KeyId::claimed(keyid), signature));
        }
        Ok(Self { payload, statement, signatures })
    }

    /// The envelope's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signature = |(id, bytes): &(KeyId, Vec<u8>)| WireSignature {
            keyid: id.to_string(),
            sig: STANDARD.encode(bytes),
        };
        let wire = Wire {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(&self.payload),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        serde_json::to_vec_pretty(&wire).unwrap_or_default()
    }

    /// A name for these very bytes, signatures included: SHA-256, in hex. The statement's own id is chosen by whoever wrote
    /// it, and the keys by whoever lists them; neither tells two envelopes apart.
    pub fn digest(&self) -> String {
        hex::encode(sha2::Sha256::digest(self.to_bytes()))
    }

    /// What it says, unverified: to show it to somebody who is asked to sign.
    pub fn claimed(&self) -> &Statement {
        &self.statement
    }

    /// The keys that the signatures name, unverified.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(id, _)| id.as_str())
    }

    /// Believes the statement if trusted keys signed it and it is in force. A signature by a key that is not trusted
    /// counts for nothing; one by a trusted key that does not fit refuses the whole.
    pub fn verify(self, trusted: &TrustedKeys, now: Timestamp) -> Result<Verified, Error> {
        let message = pre_authentication(&self.payload);
        let mut signers = BTreeSet::new();
        for (key, signature) in &self.signatures {
            signers.extend(trusted.verify(key, &message, signature)?.cloned());
        }
        if signers.is_empty() {
            let named: Vec<_> = self.signatures.iter().map(|(key, _)| key.as_str()).collect();
            return Err(Error::Untrusted(named.join(", ")));
        }
        let Statement { issued_at, expires_at, .. } = self.statement;
        if expires_at > issued_at.plus(LONGEST_LIFE) {
            return Err(Error::LivesTooLong);
        }
        self.statement.subject.check()?;
        if now < issued_at || now >= expires_at {
            return Err(Error::NotInForce { from: issued_at, until: expires_at, now });
        }
        Ok(Verified { statement: self.statement, signers })
    }
}

/// DSSE's pre-authentication encoding: `DSSEv1 <length> <type> <length> <payload>`.
fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A statement that is in force, and who signed it. Whether these signers suffice is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    statement: Statement,
    signers: BTreeSet<Signer>,
}

impl Verified {
    /// Who signed: each once, however many keys.
    pub fn signers(&self) -> &BTreeSet<Signer> {
        &self.signers
    }

    /// What is said, if two different operators signed.
    pub fn by_two_operators(self) -> Result<Statement, Error> {
        let operators = self.signers.iter().filter(|signer| matches!(signer, Signer::Operator(_))).count();
        self.if_so(operators >= 2, || "two different operators".to_owned())
    }

    /// What is said, if an operator signed.
    pub fn by_an_operator(self) -> Result<Statement, Error> {
        let signed = self.signers.iter().any(|signer| matches!(signer, Signer::Operator(_)));
        self.if_so(signed, || "an operator".to_owned())
    }

    /// What is said, if the team or an operator signed.
    pub fn by_owner_or_operator(self, team: &TeamId) -> Result<Statement, Error> {
        let signed = self.is_by_owner_or_operator(team);
        self.if_so(signed, || format!("team/{team} or an operator"))
    }

    /// Whether the team or an operator signed.
    pub fn is_by_owner_or_operator(&self, team: &TeamId) -> bool {
        self.signers.iter().any(|signer| match signer {
            Signer::Operator(_) => true,
            Signer::Team(other) => other == team,
            Signer::Service(_) => false,
        })
    }

    /// What is said, if the service signed.
    pub fn by_service(self, service: ServiceName) -> Result<Statement, Error> {
        let signed = self.signers.contains(&Signer::Service(service));
        self.if_so(signed, || format!("service/{service}"))
    }

    fn if_so(self, suffices: bool, needed: impl FnOnce() -> String) -> Result<Statement, Error> {
        if suffices {
            return Ok(self.statement);
        }
        let signers: Vec<_> = self.signers.iter().map(ToString::to_string).collect();
        Err(Error::SignersMissing { signers: signers.join(", "), needed: needed() })
    }
}

#[cfg(test)]
mod tests;
