//! `rpc.json`: which principals may call which gRPC method.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::error::Error;
use crate::strict;

/// A set of principals, as a row of `rpc.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrincipalPattern {
    /// `service/<name>`.
    Service(String),
    /// `operator/*`.
    AnyOperator,
    /// `team/*`: every member of every team. The method itself checks which team.
    AnyTeam,
    /// `application/*`: every application. The method itself checks which one.
    AnyApplication,
    /// `*`: every certificate of the trust domain.
    Anyone,
}

impl PrincipalPattern {
    /// Does it name `principal`, written as the path of its SPIFFE id: `service/rotator`, `team/stups/member`?
    pub fn matches(&self, principal: &str) -> bool {
        let Some((family, name)) = principal.split_once('/') else { return false };
        if name.is_empty() {
            return false;
        }
        match self {
            Self::Service(wanted) => family == "service" && name == wanted,
            Self::AnyOperator => family == "operator",
            Self::AnyTeam => family == "team",
            Self::AnyApplication => family == "application",
            Self::Anyone => matches!(family, "service" | "operator" | "team" | "application"),
        }
    }
}

impl FromStr for PrincipalPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        match text {
            "*" => Ok(Self::Anyone),
            "operator/*" => Ok(Self::AnyOperator),
            "team/*" => Ok(Self::AnyTeam),
            "application/*" => Ok(Self::AnyApplication),
            _ => match text.strip_prefix("service/") {
                Some(service) if name(service) => Ok(Self::Service(service.to_owned())),
                _ => Err(Error::malformed(
                    "rpc.json",
                    text,
                    "one of service/<name>, operator/*, team/*, application/*, *",
                )),
            },
        }
    }
}

impl fmt::Display for PrincipalPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service/{name}"),
            Self::AnyOperator => f.write_str("operator/*"),
            Self::AnyTeam => f.write_str("team/*"),
            Self::AnyApplication => f.write_str("application/*"),
            Self::Anyone => f.write_str("*"),
        }
    }
}

/// The rows of one service's `rpc.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpcTable {
    rows: BTreeMap<String, Vec<PrincipalPattern>>,
}

impl RpcTable {
    /// Reads `{"mint.audit.v1.AuditService/Append": ["service/rotator", …], …}`.
    pub fn parse(rpc_json: &str) -> Result<Self, Error> {
        let document = strict::parse(rpc_json)?;
        let object = document
            .as_object()
            .ok_or_else(|| Error::malformed("rpc.json", document.to_string(), "an object"))?;
        let mut rows = BTreeMap::new();
        for (method, principals) in object {
            if !is_method(method) {
                return Err(Error::malformed(
                    "rpc.json",
                    method,
                    "a method such as mint.audit.v1.AuditService/Append",
                ));
            }
            rows.insert(method.clone(), row(method, principals)?);
        }
        Ok(Self { rows })
    }

    /// May `principal` (the path of its SPIFFE id) call `method` (`package.Service/Method`, with or without the
    /// leading slash of the HTTP path)? A method without a row is refused.
    pub fn allows(&self, method: &str, principal: &str) -> bool {
        let method = method.strip_prefix('/').unwrap_or(method);
        self.rows.get(method).is_some_and(|row| row.iter().any(|pattern| pattern.matches(principal)))
    }

    /// Whether the table says anything about a method.
    pub fn has_row(&self, method: &str) -> bool {
        self.rows.contains_key(method.strip_prefix('/').unwrap_or(method))
    }

    /// Every row, by method.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &[PrincipalPattern])> {
        self.rows.iter().map(|(method, row)| (method.as_str(), row.as_slice()))
    }
}

fn row(method: &str, principals: &Value) -> Result<Vec<PrincipalPattern>, Error> {
    let listed = principals
        .as_array()
        .ok_or_else(|| Error::malformed(method, principals.to_string(), "a list of principals"))?;
    let mut patterns = Vec::new();
    for item in listed {
        let text = item.as_str().ok_or_else(|| Error::malformed(method, item.to_string(), "a principal"))?;
        let pattern: PrincipalPattern = text.parse()?;
        if patterns.contains(&pattern) {
            return Err(Error::malformed(method, text, "named once"));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

/// `package.Service/Method`.
fn is_method(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.split_once('/').is_some_and(|(service, method)| {
        service.contains('.') && service.split('.').all(word) && word(method)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{
        "mint.audit.v1.AuditService/Append": ["service/rotator"],
        "mint.audit.v1.AuditService/List": ["operator/*", "team/*"],
        "mint.audit.v1.AuditService/Nobody": [],
        "grpc.health.v1.Health/Check": ["*"]
    }"#;

    #[test]
    fn a_row_allows_whom_it_names_and_nobody_else() {
        let table = RpcTable::parse(TABLE).unwrap();
        assert!(table.allows("mint.audit.v1.AuditService/Append", "service/rotator"));
        assert!(table.allows("/mint.audit.v1.AuditService/Append", "service/rotator"));
        assert!(table.allows("mint.audit.v1.AuditService/List", "team/stups/member"));
        assert!(table.allows("grpc.health.v1.Health/Check", "application/kio"));
        for principal in [
            "service/rotator2",
            "service/audit",
            "operator/rotator",
            "rotator",
            "service/",
            "",
            "xservice/rotator",
        ] {
            assert!(!table.allows("mint.audit.v1.AuditService/Append", principal), "{principal}");
        }
        for principal in ["", "service/", "node/x", "kio"] {
            assert!(!table.allows("grpc.health.v1.Health/Check", principal), "{principal}");
        }
        assert!(!table.allows("mint.audit.v1.AuditService/Nobody", "operator/operator"));
    }

    #[test]
    fn a_method_without_a_row_is_refused() {
        let table = RpcTable::parse(TABLE).unwrap();
        for method in ["mint.audit.v1.AuditService/Drop", "Append", "", "//grpc.health.v1.Health/Check"] {
            assert!(!table.allows(method, "operator/operator"), "{method}");
        }
    }

    #[test]
    fn a_malformed_table_is_refused() {
        for text in [
            "[]",
            r#"{"a.B/C": "*"}"#,
            r#"{"a.B/C": ["service/*"]}"#,
            r#"{"a.B/C": ["service/x", "service/x"]}"#,
            r#"{"a.B/C": ["operator/alice"]}"#,
            r#"{"a.B": ["*"]}"#,
            r#"{"/a.B/C": ["*"]}"#,
            r#"{"a.B/C": ["*"], "a.B/C": []}"#,
            r#"{"a.B/*": ["*"]}"#,
        ] {
            assert!(RpcTable::parse(text).is_err(), "{text}");
        }
    }
}
