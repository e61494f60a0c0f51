//! One fetch of all files, and what follows from it.

use futures::future::join_all;
use mint_secret::{Object, Zeroizing, parse};
use mint_types::{CredentialKind, Layout};

use crate::directory::{Directory, FileStamp};
use crate::error::{Error, chain};
use crate::ports::{Absence, CredentialStore, Fetched, Held};
use crate::report::held_by;

/// How a file stands after a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// A new version was put in place.
    Replaced,
    /// It is what the store has.
    Unchanged,
    /// The store has none; what is on disk stays.
    Absent(Absence),
    /// It could not be fetched, checked or written; what is on disk stays.
    Failed(String),
}

/// What came of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By file.
    pub files: Vec<(&'static str, FileState)>,
    /// Whether every file is on disk.
    pub is_complete: bool,
    /// The versions of the files that were fetched well, new or not.
    pub held: Vec<Held>,
}

impl Report {
    /// Whether every file is what the store has.
    pub fn is_well(&self) -> bool {
        self.files.iter().all(|(_, state)| match state {
            FileState::Replaced | FileState::Unchanged => true,
            FileState::Absent(_) | FileState::Failed(_) => false,
        })
    }
}

/// A file that was written, by the ETag it had in the store.
#[derive(Debug)]
struct Known {
    etag: String,
    stamp: FileStamp,
}

#[derive(Debug)]
struct Slot {
    kind: CredentialKind,
    known: Option<Known>,
}

impl Slot {
    fn name(&self) -> &'static str {
        self.kind.object_name()
    }
}

/// A checked object that differs from what is on disk, or not.
struct Fresh {
    bytes: Zeroizing<Vec<u8>>,
    etag: Option<String>,
}

/// Fetches and switches.
#[derive(Debug)]
pub struct Poller {
    slots: Vec<Slot>,
    directory: Directory,
    store: Box<dyn CredentialStore>,
}

impl Poller {
    /// For the files of a layout.
    pub fn new(layout: Layout, directory: Directory, store: Box<dyn CredentialStore>) -> Result<Self, Error> {
        directory.sweep()?;
        // whether the client has a secret is in its object: the public kind is read like the confidential one
        let kinds = CredentialKind::of(layout, true);
        Ok(Self {
            slots: kinds.iter().map(|kind| Slot { kind: *kind, known: None }).collect(),
            directory,
            store,
        })
    }

    /// Fetches every file and switches the directory if any is new.
    pub async fn poll(&mut self) -> Report {
        if let Err(error) = self.directory.sweep() {
            tracing::warn!(error = chain(&error), "what an earlier switch left could not be removed");
        }
        let fetched = self.fetch().await;
        let mut states = Vec::new();
        let mut fresh = Vec::new();
        for (slot, fetched) in self.slots.iter().zip(fetched) {
            let (state, bytes) = judge(slot.kind, fetched);
            states.push(state);
            fresh.push(bytes);
        }
        if let Err(error) = self.switch(&mut states, &fresh) {
            let text = chain(&error);
            for state in states.iter_mut().filter(|state| **state == FileState::Replaced) {
                *state = FileState::Failed(text.clone());
            }
        }
        self.remember(&states, fresh);
        let is_complete = self.slots.iter().all(|slot| self.directory.stamp(slot.name()).is_some());
        let held = self.held(&states);
        let files = self.slots.iter().map(Slot::name).zip(states).collect();
        Report { files, is_complete, held }
    }

    fn held(&self, states: &[FileState]) -> Vec<Held> {
        let fetched = |state: &FileState| matches!(state, FileState::Replaced | FileState::Unchanged);
        let well = self.slots.iter().zip(states).filter(|(_, state)| fetched(state));
        well.filter_map(|(slot, _)| {
            let bytes = self.directory.read(slot.name()).ok()??;
            held_by(slot.kind, &parse(slot.kind, &bytes).ok()?)
        })
        .collect()
    }

    async fn fetch(&self) -> Vec<Fetched> {
        let gets = self.slots.iter().map(|slot| {
            let stamp = self.directory.stamp(slot.name());
            // an ETag says nothing about a file that somebody else changed
            let known = slot.known.as_ref().filter(|known| Some(known.stamp) == stamp);
            self.store.get(slot.name(), known.map(|known| known.etag.as_str()))
        });
        join_all(gets).await
    }

    /// Every file that the new directory needs: what is new, and what stays.
    fn switch(&self, states: &mut [FileState], fresh: &[Option<Fresh>]) -> Result<(), Error> {
        let mut on_disk = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let old = self.directory.read(slot.name())?;
            if let Some(found) = &fresh[index] {
                let same = old.as_ref().is_some_and(|old| **old == *found.bytes);
                states[index] = if same { FileState::Unchanged } else { FileState::Replaced };
            }
            on_disk.push(old);
        }
        if !states.contains(&FileState::Replaced) {
            return Ok(());
        }
        let files: Vec<(&'static str, &[u8])> = self
            .slots
            .iter()
            .zip(fresh.iter().zip(&on_disk))
            .filter_map(|(slot, (new, old))| {
                let bytes =
                    new.as_ref().map(|new| new.bytes.as_slice()).or(old.as_ref().map(|old| old.as_slice()));
                Some((slot.name(), bytes?))
            })
            .collect();
        self.directory.switch(&files)
    }

    fn remember(&mut self, states: &[FileState], fresh: Vec<Option<Fresh>>) {
        for ((slot, state), fresh) in self.slots.iter_mut().zip(states).zip(fresh) {
            let stamp = self.directory.stamp(slot.name());
            match (state, fresh) {
                (FileState::Replaced | FileState::Unchanged, Some(fresh)) => {
                    slot.known = fresh.etag.zip(stamp).map(|(etag, stamp)| Known { etag, stamp });
                }
                // the neighbour's switch copied the file
                (FileState::Unchanged, None) => {
                    if let (Some(known), Some(stamp)) = (&mut slot.known, stamp) {
                        known.stamp = stamp;
                    }
                }
                (FileState::Absent(_) | FileState::Failed(_) | FileState::Replaced, _) => slot.known = None,
            }
        }
    }
}

fn judge(kind: CredentialKind, fetched: Fetched) -> (FileState, Option<Fresh>) {
    match fetched {
        Fetched::Unchanged => (FileState::Unchanged, None),
        Fetched::Absent(absence) => (FileState::Absent(absence), None),
        Fetched::Failed(reason) => (FileState::Failed(reason), None),
        Fetched::Found { bytes, etag } => match parse(kind, &bytes) {
            Ok(Object::Tombstone) => (FileState::Absent(Absence::Tombstone), None),
            Ok(_) => (FileState::Unchanged, Some(Fresh { bytes, etag })),
            Err(error) => (FileState::Failed(chain(&error)), None),
        },
    }
}

#[cfg(test)]
#[path = "poll_tests.rs"]
pub(crate) mod tests;
