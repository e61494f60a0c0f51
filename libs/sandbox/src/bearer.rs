//! Bearer tokens (RFC 6750): one per service that may call, in a file of that service alone.

use std::io;
use std::path::Path;

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use mint_types::Entropy;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::calls::Caller;
use crate::private_file;
use crate::reply::{error_reply, on_behalf, with_challenge};
use crate::vault::fresh_secret;

/// Who may call what; a call that no scope names is nobody's.
#[derive(Debug)]
pub(crate) struct Bearers {
    known: Vec<Bearer>,
}

#[derive(Debug)]
struct Bearer {
    principal: &'static str,
    scopes: &'static [&'static str],
    digest: [u8; 32],
}

/// (principal, file below `DIR/run/secrets`, calls it may make).
const HOLDERS: [(&str, &str, &[&str]); 3] = [
    ("registry-sync", "registry-sync/kio-token", &["kio.list", "kio.get"]),
    (
        "identity-provisioner",
        "identity-provisioner/issuer-token",
        &["service-user.list", "service-user.get", "service-user.put", "service-user.delete"],
    ),
    (
        "rotator",
        "rotator/issuer-token",
        &[
            "service-user.get",
            "service-user.create_password",
            "service-user.commit_password",
            "service-user.create_client",
            "service-user.commit_client",
        ],
    ),
];

impl Bearers {
    /// Reads each service's token, or writes a fresh one.
    pub(crate) fn provide(directory: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let mut known = Vec::new();
        for (principal, file, scopes) in HOLDERS {
            let path = directory.join("run/secrets").join(file);
            let token = private_file::keep_or_make(&path, || fresh_secret(entropy, "mint-bearer-"))?;
            known.push(Bearer { principal, scopes, digest: Sha256::digest(token.trim().as_bytes()).into() });
        }
        Ok(Self { known })
    }

    /// Who calls, if it may: otherwise the 401 or 403 to answer.
    #[expect(clippy::result_large_err, reason = "the answer is made once and passed on at once")]
    pub(crate) fn authorize(&self, headers: &HeaderMap, api: &str) -> Result<Caller, Response> {
        let Some(bearer) = token(headers).and_then(|token| self.holder(token)) else {
            let refusal =
                error_reply(StatusCode::UNAUTHORIZED, "invalid_token", "a valid bearer token is needed");
            return Err(with_challenge(refusal, "Bearer realm=\"mint-sandbox\", error=\"invalid_token\""));
        };
        let caller = Caller::principal(bearer.principal);
        if bearer.scopes.contains(&api) {
            return Ok(caller);
        }
        let refusal =
            error_reply(StatusCode::FORBIDDEN, "insufficient_scope", "this token is not for this call");
        let refusal = with_challenge(refusal, "Bearer realm=\"mint-sandbox\", error=\"insufficient_scope\"");
        Err(on_behalf(refusal, caller))
    }

    fn holder(&self, token: &str) -> Option<&Bearer> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.known.iter().find(|bearer| bool::from(bearer.digest.ct_eq(&digest)))
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
