//! One act at a time per application, within this process; between processes the fencing tokens see to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mint_types::ApplicationId;
use tokio::sync::OwnedMutexGuard;

/// Turns nobody takes any more are swept when there are this many.
const SWEEP: usize = 1024;

/// Who acts on which application.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<ApplicationId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until nobody else acts on the application.
    pub(crate) async fn take(&self, application: &ApplicationId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= SWEEP {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(application.clone()).or_default())
        };
        turn.lock_owned().await
    }
}
