//! A configuration document whose every error names its key, and whose values out of the environment are read as what
//! the program asks for: `MINT_AUDIT__DRAIN=30s` and `…__COUNT=5` need no quoting rules.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::path::Path;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use toml::Value;

use super::ConfigError;

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A table, whose entries may come from both.
    Table(BTreeMap<String, Node>),
    /// From the file.
    File(Value),
    /// From this environment variable.
    Environment { variable: String, text: String },
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Table(table) => {
                Self::Table(table.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
            other => Self::File(other),
        }
    }
}

/// Reads a TOML file; none is an empty document.
pub(super) fn from_file(file: Option<&Path>) -> Result<Node, ConfigError> {
    let Some(file) = file else {
        return Ok(Node::Table(BTreeMap::new()));
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        ConfigError::new("--config", format!("names {}, which cannot be read: {error}", file.display()))
    })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        ConfigError::new(
            "--config",
            format!("names {}, which is no TOML: line {line}: {}", file.display(), error.message()),
        )
    })?;
    Ok(Value::Table(table).into())
}

/// Decodes a document.
pub(super) fn decode<C: DeserializeOwned>(document: Node) -> Result<C, ConfigError> {
    C::deserialize(document).map_err(Failure::into_config_error)
}

/// What serde reports, with the keys that lead to it.
#[derive(Debug)]
pub(super) struct Failure {
    /// Innermost first.
    path: Vec<String>,
    /// Set where the value came from the environment.
    variable: Option<String>,
    problem: String,
}

impl Failure {
    fn under(mut self, key: &str, variable: Option<String>) -> Self {
        self.path.push(key.to_owned());
        self.variable = self.variable.or(variable);
        self
    }

    fn into_config_error(mut self) -> ConfigError {
        self.path.reverse();
        let key = self.variable.unwrap_or_else(|| self.path.join("."));
        ConfigError::new(key, self.problem)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), variable: None, problem: format!("is not valid: {message}") }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.join(", ");
        Self {
            path: vec![field.to_owned()],
            variable: None,
            problem: format!("is unknown; known here: {known}"),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: vec![field.to_owned()], variable: None, problem: "is missing".to_owned() }
    }
}

impl From<toml::de::Error> for Failure {
    fn from(error: toml::de::Error) -> Self {
        de::Error::custom(error.message())
    }
}

impl Node {
    /// The variable that is to blame for what is at this node.
    pub(super) fn first_variable(&self) -> Option<&str> {
        match self {
            Self::Environment { variable, .. } => Some(variable),
            Self::Table(entries) => entries.values().find_map(Self::first_variable),
            Self::File(_) => None,
        }
    }
}

struct Entries {
    rest: btree_map::IntoIter<String, Node>,
    pending: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((key, node)) = self.rest.next() else {
            return Ok(None);
        };
        let decoded =
            seed.deserialize(key.as_str().into_deserializer()).map_err(|mut failure: Failure| {
                failure.variable = failure.variable.or_else(|| node.first_variable().map(str::to_owned));
                failure
            })?;
        self.pending = Some((key, node));
        Ok(Some(decoded))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let (key, node) =
            self.pending.take().ok_or_else(|| <Failure as de::Error>::custom("a value without a key"))?;
        let variable = node.first_variable().map(str::to_owned);
        seed.deserialize(node).map_err(|failure| {
            // Deeper failures know better who is to blame.
            let variable = variable.filter(|_| failure.path.is_empty());
            failure.under(&key, variable)
        })
    }
}

struct Items(std::vec::IntoIter<Node>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }
}

fn parsed<T: std::str::FromStr>(text: &str, expected: &str) -> Result<T, Failure> {
    text.trim().parse().map_err(|_| de::Error::custom(format!("expected {expected}")))
}

macro_rules! from_text {
    ($($method:ident $visit:ident $expected:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match self {
                Self::Environment { text, .. } => visitor.$visit(parsed(&text, $expected)?),
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self {
            Self::Table(entries) => visitor.visit_map(Entries { rest: entries.into_iter(), pending: None }),
            Self::File(Value::Array(items)) => {
                let items: Vec<Self> = items.into_iter().map(Self::from).collect();
                visitor.visit_seq(Items(items.into_iter()))
            }
            Self::File(value) => Ok(value.deserialize_any(visitor)?),
            Self::Environment { text, .. } => visitor.visit_string(text),
        }
    }

    from_text! {
        deserialize_bool visit_bool "true or false",
        deserialize_u8 visit_u8 "a whole number",
        deserialize_u16 visit_u16 "a whole number",
        deserialize_u32 visit_u32 "a whole number",
        deserialize_u64 visit_u64 "a whole number",
        deserialize_i8 visit_i8 "a whole number",
        deserialize_i16 visit_i16 "a whole number",
        deserialize_i32 visit_i32 "a whole number",
        deserialize_i64 visit_i64 "a whole number",
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self {
            Self::Environment { text, .. } => visitor.visit_enum(text.into_deserializer()),
            Self::File(value) => Ok(value.deserialize_enum(name, variants, visitor)?),
            Self::Table(_) => Err(de::Error::custom("expected a text")),
        }
    }

    /// A list out of the environment is separated by commas.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self {
            Self::Environment { variable, text } => {
                let items: Vec<Self> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Self::Environment { variable: variable.clone(), text: item.to_owned() })
                    .collect();
                visitor.visit_seq(Items(items.into_iter()))
            }
            other => other.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}
