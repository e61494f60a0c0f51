//! One delivery per object at a time, within this process; between processes the plan's rules hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mint_types::ApplicationId;
use tokio::sync::OwnedMutexGuard;

type Key = (ApplicationId, &'static str);

/// Queues of callers, one per object.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queues: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits until nobody else delivers this object.
    pub(crate) async fn take(
        &self,
        application: &ApplicationId,
        object: &'static str,
    ) -> OwnedMutexGuard<()> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            // a queue that only the map holds has nobody in it
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            queues.entry((application.clone(), object)).or_default().clone()
        };
        queue.lock_owned().await
    }
}
