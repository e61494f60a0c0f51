//! A policy document as somebody wrote it: everything that IAM takes, also what Mint itself would never write.

use serde_json::{Map, Value};

use crate::Error;

/// To what a document is attached, as its content says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a role, a user or a boundary: no statement has a `Principal`.
    Identity,
    /// Of a role: every statement has a `Principal` and none a `Resource`.
    Trust,
    /// Of a bucket: every statement has both.
    Bucket,
    /// Of a KMS key: every statement has both, and every action is one of KMS. Its resource is always that key.
    Key,
}

#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// Its `Sid`, or its place, counted from 0.
    pub(crate) name: String,
    pub(crate) allows: bool,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Listed,
    pub(crate) resources: Option<Listed>,
    pub(crate) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) inverted: bool,
    pub(crate) texts: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Principals {
    pub(crate) inverted: bool,
    pub(crate) named: Vec<(PrincipalKind, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PrincipalKind {
    Anyone,
    Aws,
    Federated,
    Service,
    CanonicalUser,
}

/// One line of a condition block. Operator and key are kept in lower case: IAM compares them without regard to it.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// Met by a request that has no value of the key: `…IfExists` and `ForAllValues:…`.
    pub(crate) vacuous: bool,
    /// The operator without its quantifier and `IfExists`.
    pub(crate) operator: String,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

const OPERATORS: &[&str] = &[
    "stringequals",
    "stringnotequals",
    "stringequalsignorecase",
    "stringnotequalsignorecase",
    "stringlike",
    "stringnotlike",
    "numericequals",
    "numericnotequals",
    "numericlessthan",
    "numericlessthanequals",
    "numericgreaterthan",
    "numericgreaterthanequals",
    "dateequals",
    "datenotequals",
    "datelessthan",
    "datelessthanequals",
    "dategreaterthan",
    "dategreaterthanequals",
    "bool",
    "binaryequals",
    "ipaddress",
    "notipaddress",
    "arnequals",
    "arnlike",
    "arnnotequals",
    "arnnotlike",
    "null",
];

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let value =
            mint_permissions::strict_json(text).map_err(|error| Error::document(error.to_string()))?;
        let object = object("the document", &value)?;
        refuse_unknown("the document", object, &["Version", "Id", "Statement"])?;
        let written: Vec<&Value> = match object.get("Statement") {
            None => return Err(Error::document("it has no Statement")),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(single) => vec![single],
        };
        let statements: Vec<Statement> = written
            .into_iter()
            .enumerate()
            .map(|(index, statement)| Statement::parse(index, statement))
            .collect::<Result<_, _>>()?;
        Ok(Self { kind: kind(&statements)?, statements })
    }

    pub(crate) fn allows(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| statement.allows)
    }
}

fn kind(statements: &[Statement]) -> Result<Kind, Error> {
    let principal = |one: &Statement| one.principals.is_some();
    let resource = |one: &Statement| one.resources.is_some();
    // an empty document grants nothing, wherever it is attached
    if statements.iter().all(|one| !principal(one) && resource(one)) {
        return Ok(Kind::Identity);
    }
    if statements.iter().all(|one| principal(one) && !resource(one)) {
        return Ok(Kind::Trust);
    }
    if !statements.iter().all(|one| principal(one) && resource(one)) {
        return Err(Error::document(
            "its statements disagree: an identity policy has a Resource and no Principal, a trust policy a Principal and \
             no Resource, the policy of a bucket or a key has both",
        ));
    }
    let is_of_kms =
        |one: &Statement| one.actions.texts.iter().all(|text| text.to_ascii_lowercase().starts_with("kms:"));
    Ok(if statements.iter().all(is_of_kms) { Kind::Key } else { Kind::Bucket })
}

/// The elements of a statement that are known.
pub(crate) const ELEMENTS: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

impl Statement {
    fn parse(index: usize, value: &Value) -> Result<Self, Error> {
        let place = format!("statement {index}");
        let object = object(&place, value)?;
        refuse_unknown(&place, object, ELEMENTS)?;
        let allows = match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(Error::document(format!("{place} has neither the Effect Allow nor Deny"))),
        };
        let name = match object.get("Sid") {
            None => index.to_string(),
            // a name that breaks the line would forge one of ours
            Some(Value::String(sid)) if sid.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
                if sid.is_empty() {
                    index.to_string()
                } else {
                    sid.clone()
                }
            }
            Some(_) => return Err(Error::document(format!("{place} has a Sid that is no name"))),
        };
        let actions = listed(&place, object, "Action", "NotAction")?
            .ok_or_else(|| Error::document(format!("{place} has neither Action nor NotAction")))?;
        let is_action = |text: &&String| *text != "*" && !text.contains(':');
        if let Some(text) = actions.texts.iter().find(is_action) {
            return Err(Error::document(format!("{place} has {text:?}, which is no action")));
        }
        Ok(Self {
            name,
            allows,
            principals: principals(&place, object)?,
            actions,
            resources: listed(&place, object, "Resource", "NotResource")?,
            conditions: conditions(&place, object)?,
        })
    }

    /// Whether it speaks of `action`, through wildcards or `NotAction` too.
    pub(crate) fn names(&self, action: &str) -> bool {
        let named = self.actions.texts.iter().any(|text| mint_permissions::names_action(text, action));
        named != self.actions.inverted
    }
}

fn principals(place: &str, object: &Map<String, Value>) -> Result<Option<Principals>, Error> {
    let Some((value, inverted)) = one_of(place, object, "Principal", "NotPrincipal")? else {
        return Ok(None);
    };
    if value.as_str() == Some("*") {
        return Ok(Some(Principals { inverted, named: vec![(PrincipalKind::Anyone, "*".to_owned())] }));
    }
    let mut named = Vec::new();
    for (kind, listed) in self::object(&format!("{place}, Principal"), value)? {
        for text in texts(place, listed)? {
            named.push(match kind.as_str() {
                "AWS" if text == "*" => (PrincipalKind::Anyone, text),
                "AWS" => (PrincipalKind::Aws, text),
                "Federated" => (PrincipalKind::Federated, text),
                "Service" => (PrincipalKind::Service, text),
                "CanonicalUser" => (PrincipalKind::CanonicalUser, text),
                _ => {
                    return Err(Error::document(format!(
                        "{place} has the unknown kind of principal {kind:?}"
                    )));
                }
            });
        }
    }
    if named.is_empty() {
        return Err(Error::document(format!("{place} has a Principal that names nobody")));
    }
    Ok(Some(Principals { inverted, named }))
}

fn conditions(place: &str, object: &Map<String, Value>) -> Result<Vec<Condition>, Error> {
    let Some(block) = object.get("Condition") else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (written, keys) in self::object(&format!("{place}, Condition"), block)? {
        let lower = written.to_ascii_lowercase();
        let (for_all, rest) = match lower.split_once(':') {
            None => (false, lower.as_str()),
            Some(("forallvalues", rest)) => (true, rest),
            Some(("foranyvalue", rest)) => (false, rest),
            Some(_) => return Err(Error::document(format!("{place} has the unknown operator {written:?}"))),
        };
        let (operator, if_exists) = rest.strip_suffix("ifexists").map_or((rest, false), |base| (base, true));
        if !OPERATORS.contains(&operator) {
            return Err(Error::document(format!("{place} has the unknown operator {written:?}")));
        }
        for (key, values) in self::object(&format!("{place}, Condition {written}"), keys)? {
            conditions.push(Condition {
                vacuous: for_all || if_exists,
                operator: operator.to_owned(),
                key: key.to_ascii_lowercase(),
                values: scalars(place, values)?,
            });
        }
    }
    Ok(conditions)
}

fn listed(
    place: &str,
    object: &Map<String, Value>,
    plain: &str,
    inverse: &str,
) -> Result<Option<Listed>, Error> {
    let Some((value, inverted)) = one_of(place, object, plain, inverse)? else { return Ok(None) };
    Ok(Some(Listed { inverted, texts: texts(place, value)? }))
}

fn one_of<'v>(
    place: &str,
    object: &'v Map<String, Value>,
    plain: &str,
    inverse: &str,
) -> Result<Option<(&'v Value, bool)>, Error> {
    match (object.get(plain), object.get(inverse)) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (Some(_), Some(_)) => Err(Error::document(format!("{place} has both {plain} and {inverse}"))),
    }
}

/// A text, or a list of texts with at least one.
fn texts(place: &str, value: &Value) -> Result<Vec<String>, Error> {
    let refuse = || Error::document(format!("{place} has {value}, where a text or a list of texts stands"));
    let items = match value {
        Value::String(text) => return Ok(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items,
        _ => return Err(refuse()),
    };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
}

/// A condition's values: IAM takes numbers and booleans for texts there.
fn scalars(place: &str, value: &Value) -> Result<Vec<String>, Error> {
    let scalar = |item: &Value| match item {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Error::document(format!("{place} has {item}, where a condition's value stands"))),
    };
    match value {
        Value::Array(items) if items.is_empty() => {
            Err(Error::document(format!("{place} has a condition without a value")))
        }
        Value::Array(items) => items.iter().map(scalar).collect(),
        single => Ok(vec![scalar(single)?]),
    }
}

fn object<'v>(place: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::document(format!("{place} is not an object")))
}

fn refuse_unknown(place: &str, object: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(element) => Err(Error::document(format!("{place} has the unknown element {element:?}"))),
    }
}
