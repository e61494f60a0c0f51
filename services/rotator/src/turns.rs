//! One act at a time on an issuer object, within this process. Between processes the fencing token does the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mint_types::{ApplicationId, IssuerObject};
use tokio::sync::OwnedMutexGuard;

type Key = (ApplicationId, IssuerObject);

/// Who waits for what.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    locks: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

/// The right to act on issuer objects, until dropped.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub(crate) struct Turn {
    _guards: Vec<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn on all of these objects. Objects come in one order (user before client), so that nobody waits
    /// in a circle.
    pub(crate) async fn take(&self, application: &ApplicationId, objects: &[IssuerObject]) -> Turn {
        let mut guards = Vec::with_capacity(objects.len());
        for object in objects {
            let lock = self.lock_of((application.clone(), *object));
            guards.push(lock.lock_owned().await);
        }
        Turn { _guards: guards }
    }

    fn lock_of(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // nobody else can take one that is referenced from here alone
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(key).or_default())
    }
}
