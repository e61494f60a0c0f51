//! What is handed out again: credentials of a subject while they are fresh, and answers by `Idempotency-Key`. In memory
//! only, and of one process: an answer that is lost is asked for again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use mint_types::Timestamp;

use crate::grants::{Grant, Subject};
use crate::names::IdempotencyKey;
use crate::ports::AwsCredentials;
use crate::refusal::Refusal;
use crate::signing::TaggedToken;

/// Keys that are remembered of one subject.
const KEYS: usize = 64;

/// A signed token and where its announcement is.
#[derive(Debug)]
pub struct Signed {
    /// The token.
    pub token: TaggedToken,
    /// The announcing entry of the audit log.
    pub audit_leaf: u64,
}

/// Credentials and where the announcement of their exchange is.
#[derive(Debug)]
pub struct Obtained {
    /// The credentials.
    pub credentials: AwsCredentials,
    /// What they were obtained for.
    pub grant: Arc<Grant>,
    /// The announcing entry of the audit log.
    pub audit_leaf: u64,
    /// From this time on others are fetched.
    pub fresh_until: Timestamp,
}

/// An answer that may be given again.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Token(Arc<Signed>),
    Credentials(Arc<Obtained>),
}

impl Answer {
    fn ends(&self) -> Timestamp {
        match self {
            Self::Token(signed) => signed.token.expires(),
            Self::Credentials(obtained) => obtained.credentials.expiration,
        }
    }

    fn grant(&self) -> &Grant {
        match self {
            Self::Token(signed) => signed.token.grant(),
            Self::Credentials(obtained) => &obtained.grant,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    fresh: Mutex<HashMap<Subject, Arc<Obtained>>>,
    answered: Mutex<HashMap<Subject, VecDeque<(IdempotencyKey, Answer)>>>,
}

impl Shelf {
    /// Credentials for this very grant that are fresh.
    pub(crate) fn fresh(&self, grant: &Grant, now: Timestamp) -> Option<Arc<Obtained>> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fresh.get(&grant.subject)?;
        (*found.grant == *grant && now < found.fresh_until).then(|| Arc::clone(found))
    }

    pub(crate) fn put(&self, obtained: &Arc<Obtained>) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.insert(obtained.grant.subject.clone(), Arc::clone(obtained));
    }

    /// What was answered under this key, while it lasts.
    pub(crate) fn answered(&self, grant: &Grant, key: &IdempotencyKey, now: Timestamp) -> Option<Answer> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, answer) = answered.get(&grant.subject)?.iter().find(|(known, _)| known == key)?;
        (now < answer.ends() && answer.grant() == grant).then(|| answer.clone())
    }

    /// Remembers an answer; what has ended, and the oldest beyond the bound, is forgotten.
    pub(crate) fn remember(&self, grant: &Grant, key: IdempotencyKey, answer: Answer, now: Timestamp) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let own = answered.entry(grant.subject.clone()).or_default();
        own.retain(|(known, answer)| *known != key && now < answer.ends());
        own.push_back((key, answer));
        while own.len() > KEYS {
            own.pop_front();
        }
    }
}

/// A key stands for one call.
pub(crate) fn other_call() -> Refusal {
    Refusal::BadRequest("the Idempotency-Key was used for another call")
}
