//! Faults that tests order: by API, by a part of the path, a number of times.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One order, as `POST /faults` takes it and `GET /faults` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The call's name in the request log, such as `s3.PutObject`; `*` stands for any, `s3.*` for any of S3.
    pub(crate) api: String,
    pub(crate) kind: Kind,
    /// How many calls it still hits.
    #[serde(default = "once")]
    pub(crate) count: u64,
    /// Hits only calls whose path and query (or, at the token endpoint, form) contain this.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub(crate) matching: Option<String>,
    /// What is answered instead: 503 for `fail`, 200 for `lie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Waits this long first, whatever the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Waits, then does what was asked.
    Slow,
    /// Does nothing and answers an error.
    Fail,
    /// Does nothing and answers that it did.
    Lie,
    /// Does what was asked and closes the connection without an answer.
    LoseAnswer,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    ordered: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn order(&self, fault: Fault) {
        if fault.count == 0 {
            return;
        }
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Takes the orders with this match back; all if none is named.
    pub(crate) fn clear(&self, matching: Option<&str>) {
        let mut ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        ordered.retain(|fault| matching.is_some() && fault.matching.as_deref() != matching);
    }

    /// What is left, in the order in which it was ordered.
    pub(crate) fn left(&self) -> Vec<Fault> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first fault that this call meets, used up by one.
    pub(crate) fn take(&self, api: &str, path: &str) -> Option<Fault> {
        let mut ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        let position = ordered.iter().position(|fault| fault.meets(api, path))?;
        let fault = ordered.get_mut(position)?;
        fault.count -= 1;
        let taken = fault.clone();
        if taken.count == 0 {
            ordered.remove(position);
        }
        Some(taken)
    }
}

/// What the names of calls begin with.
const FAMILIES: [&str; 7] = ["kio.", "service-user.", "oauth2.", "glewlwyd.", "sts.", "s3.", "platform."];

impl Fault {
    /// Whether a call can ever meet it; a fault for a misspelt family would make a test prove nothing.
    pub(crate) fn can_happen(&self) -> bool {
        self.api == "*" || FAMILIES.iter().any(|family| self.api.starts_with(family))
    }

    fn meets(&self, api: &str, path: &str) -> bool {
        let api_meets = match self.api.strip_suffix('*') {
            Some(family) => api.starts_with(family),
            None => self.api == api,
        };
        api_meets && self.matching.as_ref().is_none_or(|part| path.contains(part.as_str()))
    }
}

fn once() -> u64 {
    1
}
