//! Buckets as the registry file writes them: a name, or an object with one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};

/// A bucket of an application's settings: `name` or `{name, region?, endpoint?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
}

/// A bucket that exists although no application names it: `name` or `{name, region?, account_id?}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpareBucket {
    pub(crate) name: String,
    pub(crate) region: Option<String>,
    pub(crate) account_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBucket {
    name: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSpareBucket {
    name: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    account_id: Option<String>,
}

impl From<String> for WrittenBucket {
    fn from(name: String) -> Self {
        Self { name, region: None, endpoint: None }
    }
}

impl From<String> for WrittenSpareBucket {
    fn from(name: String) -> Self {
        Self { name, region: None, account_id: None }
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenBucket { name, region, endpoint } = deserializer.deserialize_any(NameOr(PhantomData))?;
        Ok(Self { name, region, endpoint })
    }
}

impl<'de> Deserialize<'de> for SpareBucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenSpareBucket { name, region, account_id } =
            deserializer.deserialize_any(NameOr(PhantomData))?;
        Ok(Self { name, region, account_id })
    }
}

/// Takes a name or an object; serde's `untagged` is not used because it would swallow the name of an unknown key.
struct NameOr<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + From<String>> de::Visitor<'de> for NameOr<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a bucket's name, or an object with its name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        Ok(T::from(name.to_owned()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
