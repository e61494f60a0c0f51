//! Callers, and the `Principal` element that names them.

use serde_json::Value;

use crate::error::Error;
use crate::strict;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody signed it.
    Anonymous,
    /// An IAM principal of an account; a session of a role has the role's ARN too.
    Aws { arn: String, account: String, role: Option<String> },
    /// A token of an OIDC provider, by the provider's ARN.
    Federated(String),
    /// A service of AWS, such as `ec2.amazonaws.com`.
    Service(String),
}

impl Caller {
    /// A session of `role` (its name, without a path) in `account`.
    pub fn role_session(account: &str, role: &str, session: &str) -> Self {
        Self::Aws {
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            account: account.to_owned(),
            role: Some(format!("arn:aws:iam::{account}:role/{role}")),
        }
    }
}

/// One entry of a `Principal` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    Anyone,
    Account(String),
    Arn(String),
    Federated(String),
    Service(String),
}

impl PrincipalPattern {
    pub(crate) fn matches(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Anyone, _) => true,
            (Self::Account(wanted), Caller::Aws { account, .. }) => wanted == account,
            (Self::Arn(wanted), Caller::Aws { arn, role, .. }) => {
                wanted == arn || Some(wanted) == role.as_ref()
            }
            (Self::Federated(wanted), Caller::Federated(provider)) => wanted == provider,
            (Self::Service(wanted), Caller::Service(service)) => wanted == service,
            (Self::Account(_) | Self::Arn(_) | Self::Federated(_) | Self::Service(_), _) => false,
        }
    }

    /// `"*"` or an object of lists by kind.
    pub(crate) fn parse(place: &str, element: &Value) -> Result<Vec<Self>, Error> {
        if element.as_str() == Some("*") {
            return Ok(vec![Self::Anyone]);
        }
        let Some(kinds) = element.as_object().filter(|kinds| !kinds.is_empty()) else {
            return Err(Error::malformed(place, element.to_string(), "\"*\" or an object of principals"));
        };
        let mut patterns = Vec::new();
        for (kind, listed) in kinds {
            for text in strict_strings(place, listed)? {
                patterns.push(match kind.as_str() {
                    "AWS" => aws(place, &text)?,
                    "Federated" if !text.is_empty() && !text.contains(['*', '?']) => Self::Federated(text),
                    "Service" if text.ends_with(".amazonaws.com") && !text.contains(['*', '?']) => {
                        Self::Service(text)
                    }
                    "Federated" | "Service" => {
                        return Err(Error::malformed(place, text, "a provider or service without wildcards"));
                    }
                    _ => {
                        return Err(Error::UnknownElement { place: place.to_owned(), element: kind.clone() });
                    }
                });
            }
        }
        Ok(patterns)
    }
}

fn strict_strings(place: &str, listed: &Value) -> Result<Vec<String>, Error> {
    strict::strings(listed)
        .ok_or_else(|| Error::malformed(place, listed.to_string(), "a text or a list of texts"))
}

fn aws(place: &str, text: &str) -> Result<PrincipalPattern, Error> {
    if text == "*" {
        return Ok(PrincipalPattern::Anyone);
    }
    if is_account(text) {
        return Ok(PrincipalPattern::Account(text.to_owned()));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        _ if text.contains(['*', '?', '$']) => {}
        ["arn", _, "iam", "", account, "root"] if is_account(account) => {
            return Ok(PrincipalPattern::Account((*account).to_owned()));
        }
        ["arn", _, "iam" | "sts", "", account, resource] if is_account(account) && resource.contains('/') => {
            return Ok(PrincipalPattern::Arn(text.to_owned()));
        }
        _ => {}
    }
    Err(Error::malformed(place, text, "*, an account id, or the ARN of a principal without wildcards"))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
