//! Temporary credentials of AWS: where they come from, who keeps them fresh, and the forms in which SDKs take them.

mod broker;
mod child;
mod endpoint;
mod keeper;
mod sts;

use std::fmt;

use mint_types::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

pub(crate) use broker::BrokerHttp;
pub(crate) use child::Child;
pub(crate) use endpoint::Endpoint;
pub(crate) use keeper::Keeper;
pub(crate) use sts::{Sts, StsFault};

/// Temporary credentials, wiped when they are dropped. Nothing of the secrets is printed by `Debug`.
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Zeroizing<String>,
    pub(crate) session_token: Zeroizing<String>,
    pub(crate) expiration: Timestamp,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("expiration", &self.expiration).finish_non_exhaustive()
    }
}

/// What a `credential_process` prints (AWS SDKs and Tools Reference Guide, "Process credential provider").
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfProcess<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

/// What a container's endpoint answers (the same guide, "Container credential provider").
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfContainer<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
}

impl Credentials {
    /// The variables that every SDK looks at first.
    pub(crate) fn variables(&self) -> [(&'static str, Zeroizing<String>); 4] {
        [
            ("AWS_ACCESS_KEY_ID", Zeroizing::new(self.access_key_id.clone())),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_SESSION_TOKEN", self.session_token.clone()),
            ("AWS_CREDENTIAL_EXPIRATION", Zeroizing::new(self.expiration.to_string())),
        ]
    }

    /// The same as lines for a POSIX shell.
    pub(crate) fn exports(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(16 * 1024));
        for (name, value) in self.variables() {
            // what STS hands out has no quote in it: that is checked where it is read
            for part in ["export ", name, "='", &value, "'\n"] {
                text.push_str(part);
            }
        }
        text
    }

    /// The document of a `credential_process`.
    pub(crate) fn of_process(&self) -> Zeroizing<Vec<u8>> {
        document(&OfProcess {
            version: 1,
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            session_token: &self.session_token,
            expiration: self.expiration.to_string(),
        })
    }

    /// The document of a container's endpoint.
    pub(crate) fn of_container(&self) -> Zeroizing<Vec<u8>> {
        document(&OfContainer {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            token: &self.session_token,
            expiration: self.expiration.to_string(),
        })
    }
}

/// Room enough that it never moves and leaves a copy behind; texts and numbers are always written.
fn document(content: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(16 * 1024));
    let written = serde_json::to_writer(&mut *text, content);
    debug_assert!(written.is_ok(), "texts and numbers");
    text.push(b'\n');
    text
}

/// What keys and tokens are made of: nothing that a shell, XML or a header reads as its own.
fn is_part(text: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'&' | b'\'' | b'"' | b'\\' | b'`' | b'$')
    };
    (1..=16 * 1024).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn credentials(expiration: &str) -> Credentials {
        Credentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Zeroizing::new("secret/of+the=key".to_owned()),
            session_token: Zeroizing::new("token//of==the+session".to_owned()),
            expiration: expiration.parse().unwrap(),
        }
    }

    #[test]
    fn the_forms_are_those_that_sdks_document() {
        let credentials = credentials("2026-11-22T10:00:00Z");
        let process: serde_json::Value = serde_json::from_slice(&credentials.of_process()).unwrap();
        assert_eq!(
            process,
            serde_json::json!({"Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret/of+the=key",
                "SessionToken": "token//of==the+session", "Expiration": "2026-11-22T10:00:00Z"})
        );
        let container: serde_json::Value = serde_json::from_slice(&credentials.of_container()).unwrap();
        assert_eq!(
            container,
            serde_json::json!({"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret/of+the=key",
                "Token": "token//of==the+session", "Expiration": "2026-11-22T10:00:00Z"})
        );
        assert_eq!(
            credentials.exports().as_str(),
            "export AWS_ACCESS_KEY_ID='ASIAEXAMPLE'\nexport AWS_SECRET_ACCESS_KEY='secret/of+the=key'\n\
             export AWS_SESSION_TOKEN='token//of==the+session'\n\
             export AWS_CREDENTIAL_EXPIRATION='2026-11-22T10:00:00Z'\n"
        );
    }

    #[test]
    fn nothing_of_a_secret_is_printed_for_debugging() {
        let text = format!("{:?}", credentials("2026-11-22T10:00:00Z"));
        assert!(
            !text.contains("secret/of") && !text.contains("token//of") && text.contains("expiration"),
            "{text}"
        );
    }
}
