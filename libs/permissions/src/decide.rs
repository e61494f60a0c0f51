//! The evaluator.

use std::collections::BTreeMap;

use crate::policy::{Effect, Policy};
use crate::principal::Caller;

/// What the policies say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// A `Deny` statement applies; nothing overrides it.
    ExplicitDeny,
    /// No statement applies: refused by default.
    ImplicitDeny,
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allow(self) -> bool {
        self == Self::Allow
    }
}

/// One request, as IAM sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// `s3:GetObject`.
    pub action: String,
    /// An ARN, or `*` for an action that has no resource.
    pub resource: String,
    /// What conditions look at.
    pub context: Context,
}

/// The condition keys of a request. Keys are compared without regard to case; an absent key differs from an empty value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Sets a key to one value.
    pub fn insert(&mut self, key: &str, value: impl Into<String>) {
        self.keys.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// A key with any number of values, such as `aws:TagKeys`; none at all is the same as an absent key.
    pub fn insert_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.keys.insert(key.to_ascii_lowercase(), values.into_iter().collect());
    }

    pub(crate) fn values(&self, key: &str) -> &[String] {
        self.keys.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value for a policy variable; a key of several values cannot be one.
    pub(crate) fn single(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut context = Self::default();
        for (key, value) in pairs {
            context.insert(key.as_ref(), value);
        }
        context
    }
}

/// Decides `request` by all `policies` that apply to it: those of the caller and those of the resource, united.
pub fn decide<'p>(policies: impl IntoIterator<Item = &'p Policy>, request: &Request) -> Decision {
    let mut decision = Decision::ImplicitDeny;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if !statement.applies(request) {
            continue;
        }
        match statement.effect {
            Effect::Deny => return Decision::ExplicitDeny,
            Effect::Allow => decision = Decision::Allow,
        }
    }
    decision
}
