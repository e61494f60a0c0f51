//! From the permission files and the configuration to what an administrator applies.

mod buckets;
mod roles;
mod template;

#[cfg(test)]
mod tests;

use mint_permissions::Policy;
use serde_json::{Map, Value};

use crate::Error;
use crate::config::Config;

/// The configuration from which `deploy/aws/example` is rendered.
pub const EXAMPLE: &str = include_str!("../../../deploy/aws/example.toml");

/// One file of a rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it stands, below the directory of the rendering.
    pub path: String,
    /// JSON with sorted keys and a line feed at its end.
    pub text: String,
    /// Whether it is a policy document; else it is the input of `aws iam create-role`.
    pub is_policy: bool,
}

/// What a document is, which decides who parses it and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// `aws iam create-role --cli-input-json`.
    Role,
    Trust,
    Permissions,
    Boundary,
    Bucket,
    Key,
}

impl Use {
    /// Characters without white space that AWS takes (its quotas; for a trust policy before it was raised by request).
    fn limit(self) -> usize {
        match self {
            Self::Trust => 2048,
            Self::Boundary => 6144,
            Self::Permissions => 10_240,
            Self::Bucket => 20_480,
            Self::Role | Self::Key => 32_768,
        }
    }
}

/// Renders everything that the configuration asks for, in the order of the paths.
///
/// # Errors
/// [`Error::Contradiction`] for a service that has a permission and no subject, or the other way round;
/// [`Error::Placeholder`] for a permission file that needs what the configuration has not; [`Error::NotAPolicy`] and
/// [`Error::TooLong`] for what AWS would refuse.
pub fn render(config: &Config) -> Result<Vec<File>, Error> {
    let mut documents = roles::of_services(config)?;
    for team in &config.teams {
        documents.extend(roles::of_readers(config, team)?);
        documents.extend(buckets::of_team(config, team)?);
    }
    let mut files = documents.into_iter().map(Document::file).collect::<Result<Vec<_>, _>>()?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// A document and where it goes.
#[derive(Debug)]
struct Document {
    path: String,
    kind: Use,
    value: Value,
}

impl Document {
    fn new(path: impl Into<String>, kind: Use, value: Value) -> Self {
        Self { path: path.into(), kind, value }
    }

    fn file(self) -> Result<File, Error> {
        let Self { path, kind, value } = self;
        let compact = value.to_string();
        let length = compact.chars().filter(|char| !char.is_whitespace()).count();
        if length > kind.limit() {
            return Err(Error::TooLong { file: path, length, limit: kind.limit() });
        }
        let parsed = match kind {
            Use::Role => Ok(()),
            Use::Trust => Policy::trust(&compact).map(drop),
            Use::Permissions | Use::Boundary => Policy::identity(&compact).map(drop),
            Use::Bucket | Use::Key => Policy::resource(&compact).map(drop),
        };
        if let Err(error) = parsed {
            return Err(Error::NotAPolicy { file: path, reason: error.to_string() });
        }
        Ok(File { path, text: format!("{:#}\n", sorted(value)), is_policy: kind != Use::Role })
    }
}

/// The same with every object's keys in order, whatever order the JSON library keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> = object.into_iter().collect();
            pairs.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(pairs.into_iter().map(|(key, inner)| (key, sorted(inner))).collect::<Map<_, _>>())
        }
        plain => plain,
    }
}

/// A policy of these statements. Equal ones stand once; a name that comes again gets a number, for it must be unique.
fn policy(statements: impl IntoIterator<Item = Value>) -> Value {
    let mut distinct: Vec<Value> = Vec::new();
    for statement in statements {
        if !distinct.contains(&statement) {
            distinct.push(statement);
        }
    }
    let named = |one: &Value| one.get("Sid").cloned();
    let names: Vec<Option<Value>> = distinct.iter().map(named).collect();
    for (index, statement) in distinct.iter_mut().enumerate() {
        let Some(Some(Value::String(sid))) = names.get(index) else { continue };
        let before = names.iter().take(index).filter(|other| **other == named(statement)).count();
        if before > 0 {
            statement["Sid"] = Value::String(format!("{sid}{}", before + 1));
        }
    }
    serde_json::json!({"Version": "2012-10-17", "Statement": distinct})
}
