//! The token files: `DIR/run/tokens/<service>/token` and `DIR/applications/<id>/token`.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mint_types::{RequestId, ServiceName};
use serde_json::{Value, json};

use super::{Platform, VALIDITY};
use crate::policies::{AUDIENCE, application_subject, service_subject};
use crate::private_file;
use crate::world::World;

impl Platform {
    /// Writes every token file that is missing, foreign, or past half of its time. Files hold one token and no newline.
    pub(crate) fn renew(&self, world: &World) -> io::Result<()> {
        let services = ServiceName::ALL.into_iter().map(|service| {
            (self.directory.join("run/tokens").join(service.as_str()), service_subject(service))
        });
        let applications = world.applications.iter().map(|application| {
            (self.directory.join("applications").join(&application.id), application_subject(&application.id))
        });
        let holders: Vec<(PathBuf, String)> = services.chain(applications).collect();
        for (directory, subject) in holders {
            let path = directory.join("token");
            if self.is_fresh(&path, &subject) {
                continue;
            }
            let token =
                self.token(&subject).ok_or_else(|| io::Error::other("the platform's key does not sign"))?;
            private_file::write(&path, token.as_bytes())?;
        }
        Ok(())
    }

    /// A token for a workload.
    pub(crate) fn token(&self, subject: &str) -> Option<String> {
        let now = self.clock.now().unix_millis().div_euclid(1000);
        let lifetime = i64::try_from(VALIDITY.as_secs()).unwrap_or(i64::MAX);
        self.key.sign(&json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "jti": RequestId::random(&*self.entropy).to_string(),
        }))
    }

    fn is_fresh(&self, path: &Path, subject: &str) -> bool {
        let Ok(token) = std::fs::read_to_string(path) else { return false };
        let Ok(claims) = self.verify(&token) else { return false };
        let now = self.clock.now().unix_millis().div_euclid(1000);
        let half = i64::try_from(VALIDITY.as_secs() / 2).unwrap_or(i64::MAX);
        claims["iss"] == self.issuer.as_str()
            && claims["sub"] == subject
            && claims["exp"].as_i64().is_some_and(|expires| expires.saturating_sub(now) > half)
    }
}

/// The claims of a token whose signature was already checked, or is about to fail anyway.
pub(crate) fn claims_of(token: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
