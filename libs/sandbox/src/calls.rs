//! The request log: every call that reached this world, in the order of arrival.
//!
//! It is what tests count ("a password costs at most six upstream calls"), so a call is entered when it arrives,
//! not when it is answered, and stays although its caller has gone. It lives in memory only.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

/// How many calls are kept; a full run of the test constellation makes some hundred thousand.
pub(crate) const CAPACITY: usize = 1_500_000;

/// Principal of a caller that did not say, or could not prove, who it is.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// One call. Paths carry no query: a presigned query is a credential.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) id: u64,
    #[serde(serialize_with = "shared")]
    pub(crate) principal: Arc<str>,
    pub(crate) api: &'static str,
    #[serde(serialize_with = "shared")]
    pub(crate) method: Arc<str>,
    #[serde(serialize_with = "shared")]
    pub(crate) path: Arc<str>,
    /// What was answered, or withheld by the fault `lose_answer`; absent while the call runs.
    pub(crate) status: Option<u16>,
    #[serde(serialize_with = "shared_or_null")]
    pub(crate) application: Option<Arc<str>>,
    pub(crate) started_us: i64,
    pub(crate) ended_us: Option<i64>,
}

/// Names a call that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallId(u64);

/// Who called, for which application: known only once the call's credentials were looked at.
///
/// Whoever answers puts this into the response's extensions; the gate moves it into the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) application: Option<Arc<str>>,
}

impl Caller {
    pub(crate) fn principal(name: &str) -> Self {
        Self { principal: Some(name.into()), application: None }
    }

    #[must_use]
    pub(crate) fn with_application(self, application: &str) -> Self {
        Self { application: Some(application.into()), ..self }
    }
}

#[derive(Debug, Default)]
pub(crate) struct CallLog {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    ring: VecDeque<Call>,
    next: u64,
    /// The same few thousand paths and principals come a million times: each is kept once.
    texts: HashSet<Arc<str>>,
}

impl Entries {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&fresh));
        fresh
    }
}

impl CallLog {
    pub(crate) fn begin(&self, api: &'static str, method: &str, path: &str, started_us: i64) -> CallId {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (principal, method, path) = (entries.text(ANONYMOUS), entries.text(method), entries.text(path));
        entries.next += 1;
        let id = entries.next;
        if entries.ring.len() == CAPACITY {
            entries.ring.pop_front();
        }
        let call = Call {
            id,
            principal,
            api,
            method,
            path,
            status: None,
            application: None,
            started_us,
            ended_us: None,
        };
        entries.ring.push_back(call);
        CallId(id)
    }

    pub(crate) fn finish(&self, id: CallId, caller: &Caller, status: u16, ended_us: i64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let principal = caller.principal.as_deref().map(|text| entries.text(text));
        let application = caller.application.as_deref().map(|text| entries.text(text));
        let Some(first) = entries.ring.front().map(|call| call.id) else { return };
        let Some(position) = id.0.checked_sub(first).and_then(|distance| usize::try_from(distance).ok())
        else {
            return;
        };
        let Some(call) = entries.ring.get_mut(position) else { return };
        if let Some(principal) = principal {
            call.principal = principal;
        }
        call.application = application;
        call.status = Some(status);
        call.ended_us = Some(ended_us);
    }

    /// The calls with an id greater than `since`, oldest first.
    pub(crate) fn since(&self, since: u64) -> Vec<Call> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = entries.ring.partition_point(|call| call.id <= since);
        entries.ring.range(begin..).cloned().collect()
    }
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn shared_or_null<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}
