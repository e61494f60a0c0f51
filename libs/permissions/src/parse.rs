//! From JSON to the model. What is not understood is refused by name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::condition::{Condition, Operator};
use crate::error::Error;
use crate::pattern::{ArnPattern, Pattern, Syntax};
use crate::policy::{Effect, Listed, Policy, Statement};
use crate::principal::PrincipalPattern;
use crate::strict;

/// To what a document is attached; that decides which elements it must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attachment {
    /// A role or user: no `Principal`.
    Identity,
    /// A bucket: `Principal` and `Resource`.
    Resource,
    /// A role, as its trust policy: no `Resource`.
    Trust,
}

impl Policy {
    /// A policy attached to a role, such as `services/*/permissions/aws.json` once filled.
    pub fn identity(document: &str) -> Result<Self, Error> {
        Self::parse(&strict::parse(document)?, Attachment::Identity)
    }

    /// A policy attached to a resource, such as a bucket policy.
    pub fn resource(document: &str) -> Result<Self, Error> {
        Self::parse(&strict::parse(document)?, Attachment::Resource)
    }

    /// A role's trust policy: who may assume it.
    pub fn trust(document: &str) -> Result<Self, Error> {
        Self::parse(&strict::parse(document)?, Attachment::Trust)
    }

    pub(crate) fn identity_value(document: &Value) -> Result<Self, Error> {
        Self::parse(document, Attachment::Identity)
    }

    fn parse(document: &Value, attachment: Attachment) -> Result<Self, Error> {
        let place = "the document";
        let object = object(place, document)?;
        refuse_unknown(place, object, &["Version", "Id", "Statement"])?;
        let variables = match object.get("Version").map(|version| version.as_str().unwrap_or_default()) {
            Some("2012-10-17") => true,
            // The older version, which is also the default, has no policy variables.
            Some("2008-10-17") | None => false,
            Some(other) => return Err(Error::malformed("Version", other, "2012-10-17 or 2008-10-17")),
        };
        let listed: Vec<&Value> = match required(place, object, "Statement")? {
            Value::Array(items) => items.iter().collect(),
            single => vec![single],
        };
        let mut statements = Vec::new();
        let mut sids = BTreeSet::new();
        for (index, value) in listed.into_iter().enumerate() {
            let parsed = statement(&format!("Statement {index}"), value, attachment, variables)?;
            if let Some(sid) = &parsed.sid
                && !sids.insert(sid.clone())
            {
                return Err(Error::malformed("Sid", sid, "unique within the document"));
            }
            statements.push(parsed);
        }
        Ok(Self { statements })
    }
}

const STATEMENT_ELEMENTS: [&str; 8] =
    ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn statement(
    place: &str,
    value: &Value,
    attachment: Attachment,
    variables: bool,
) -> Result<Statement, Error> {
    let object = object(place, value)?;
    refuse_unknown(place, object, &STATEMENT_ELEMENTS)?;
    let effect = match required(place, object, "Effect")?.as_str() {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        other => return Err(Error::malformed(place, other.unwrap_or_default(), "the Effect Allow or Deny")),
    };
    let action = |text: &str| action_pattern(place, text);
    let resource = |text: &str| ArnPattern::parse(place, text, variables);
    let actions = listed(place, object, "Action", "NotAction", action)?
        .ok_or_else(|| Error::MissingElement { place: place.to_owned(), element: "Action" })?;
    let resources = listed(place, object, "Resource", "NotResource", resource)?;
    let principals =
        object.get("Principal").map(|element| PrincipalPattern::parse(place, element)).transpose()?;
    match attachment {
        Attachment::Identity => forbid(place, principals.is_some(), "Principal")?,
        Attachment::Resource | Attachment::Trust => demand(place, principals.is_some(), "Principal")?,
    }
    match attachment {
        Attachment::Trust => forbid(place, resources.is_some(), "Resource")?,
        Attachment::Identity | Attachment::Resource => demand(place, resources.is_some(), "Resource")?,
    }
    Ok(Statement {
        sid: sid(place, object)?,
        effect,
        principals,
        actions,
        resources,
        conditions: conditions(place, object, variables)?,
        written_condition: object.get("Condition").map(Value::to_string),
    })
}

fn sid(place: &str, object: &Map<String, Value>) -> Result<Option<String>, Error> {
    match object.get("Sid") {
        None => Ok(None),
        Some(Value::String(sid)) => Ok(Some(sid.clone())),
        Some(other) => Err(Error::malformed(place, other.to_string(), "a Sid")),
    }
}

/// `*`, or `service:Action` with wildcards in the action's name.
fn action_pattern(place: &str, text: &str) -> Result<Pattern, Error> {
    let service =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?'))
    };
    let valid =
        text == "*" || text.split_once(':').is_some_and(|(family, rest)| service(family) && name(rest));
    if !valid {
        return Err(Error::malformed(place, text, "* or an action such as s3:GetObject"));
    }
    Pattern::parse(place, text, Syntax { wildcards: true, variables: false })
}

fn conditions(place: &str, object: &Map<String, Value>, variables: bool) -> Result<Vec<Condition>, Error> {
    let Some(block) = object.get("Condition") else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (name, keys) in self::object(&format!("{place}, Condition"), block)? {
        let operator = Operator::parse(name)?;
        let place = format!("{place}, Condition {name}");
        for (key, values) in self::object(&place, keys)? {
            conditions.push(Condition::parse(&place, operator, key, &scalars(&place, values)?, variables)?);
        }
    }
    Ok(conditions)
}

/// A condition value is a text; AWS takes numbers and booleans for it too.
fn scalars(place: &str, values: &Value) -> Result<Vec<String>, Error> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Error::malformed(place, value.to_string(), "a text, a number or a boolean"))
        }
    };
    match values {
        Value::Array(items) if items.is_empty() => Err(Error::malformed(place, "[]", "a list with a value")),
        Value::Array(items) => items.iter().map(scalar).collect(),
        single => Ok(vec![scalar(single)?]),
    }
}

fn listed<P>(
    place: &str,
    object: &Map<String, Value>,
    plain: &'static str,
    inverse: &'static str,
    parse: impl Fn(&str) -> Result<P, Error>,
) -> Result<Option<Listed<P>>, Error> {
    let (value, inverted) = match (object.get(plain), object.get(inverse)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) => {
            return Err(Error::Contradiction { place: place.to_owned(), first: plain, second: inverse });
        }
    };
    let written = strict::strings(value)
        .ok_or_else(|| Error::malformed(place, value.to_string(), "a text or a list of texts"))?;
    let patterns = written.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
    Ok(Some(Listed { inverted, patterns, written }))
}

fn object<'v>(place: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::malformed(place, value.to_string(), "an object"))
}

fn required<'v>(
    place: &str,
    object: &'v Map<String, Value>,
    element: &'static str,
) -> Result<&'v Value, Error> {
    object.get(element).ok_or_else(|| Error::MissingElement { place: place.to_owned(), element })
}

fn demand(place: &str, present: bool, element: &'static str) -> Result<(), Error> {
    if present { Ok(()) } else { Err(Error::MissingElement { place: place.to_owned(), element }) }
}

fn forbid(place: &str, present: bool, element: &'static str) -> Result<(), Error> {
    if !present {
        return Ok(());
    }
    Err(Error::UnknownElement { place: place.to_owned(), element: element.to_owned() })
}

fn refuse_unknown(place: &str, object: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(element) => Err(Error::UnknownElement { place: place.to_owned(), element: element.clone() }),
    }
}
