//! A registry in memory, for tests and simulations; it can be told to be stale, to break, to lie.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use mint_types::{ApplicationId, Timestamp};
use tokio::sync::Notify;

use crate::{
    model::{Entry, Listing, Malformed},
    ports::{Source, SourceFault},
};

/// A registry in memory. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    state: Arc<Mutex<State>>,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<ApplicationId, Entry>,
    unlisted: BTreeSet<ApplicationId>,
    malformed: Vec<Malformed>,
    list_fault: Option<SourceFault>,
    read_fault: Option<SourceFault>,
    direct_reads: u64,
}

impl MemorySource {
    /// Adds or replaces an application.
    pub fn put(&self, entry: Entry) {
        self.locked().entries.insert(entry.id.clone(), entry);
    }

    /// Forgets an application.
    pub fn remove(&self, id: &ApplicationId) {
        self.locked().entries.remove(id);
    }

    /// Leaves an application out of lists, as a stale cache does; direct reads show it.
    pub fn unlist(&self, id: &ApplicationId) {
        self.locked().unlisted.insert(id.clone());
    }

    /// Answers lists with these broken entries in them.
    pub fn set_malformed(&self, malformed: Vec<Malformed>) {
        self.locked().malformed = malformed;
    }

    /// Refuses lists with this fault.
    pub fn fail_lists(&self, fault: Option<SourceFault>) {
        self.locked().list_fault = fault;
    }

    /// Refuses direct reads with this fault.
    pub fn fail_reads(&self, fault: Option<SourceFault>) {
        self.locked().read_fault = fault;
    }

    /// How many direct reads there were.
    pub fn direct_reads(&self) -> u64 {
        self.locked().direct_reads
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self, wanted: impl Fn(&Entry) -> bool) -> Result<Listing, SourceFault> {
        let state = self.locked();
        if let Some(fault) = &state.list_fault {
            return Err(fault.clone());
        }
        let listed =
            state.entries.values().filter(|entry| !state.unlisted.contains(&entry.id) && wanted(entry));
        Ok(Listing { entries: listed.cloned().collect(), malformed: state.malformed.clone() })
    }
}

#[async_trait]
impl Source for MemorySource {
    fn driver(&self) -> &'static str {
        "memory"
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn list(&self) -> Result<Listing, SourceFault> {
        self.listing(|_| true)
    }

    async fn changed_after(&self, since: Timestamp) -> Result<Option<Listing>, SourceFault> {
        self.listing(|entry| entry.facts.modified_at.is_some_and(|at| at > since)).map(Some)
    }

    async fn read(&self, id: &ApplicationId) -> Result<Option<Entry>, SourceFault> {
        let mut state = self.locked();
        state.direct_reads += 1;
        match &state.read_fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(state.entries.get(id).cloned()),
        }
    }

    fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }
}
