//! What is known for sure and the rows do not say yet: what the audit log has heard, and what was seen dead. It is written with
//! the next write for the application. Whoever dies before that tells the log once more, which says the same, or logs in
//! once more, if asked to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mint_store::Transaction;
use mint_types::{ApplicationId, RotationId, Timestamp};

use super::ToldOf;
use crate::Error;
use crate::state::ApplicationState;

/// At most so many for an application: where another replica makes all its writes, the oldest are dropped.
const MOST: usize = 16;
const DEAD: &str = "UPDATE rotation SET dead_at = $2 WHERE rotation = $1 AND dead_at IS NULL";

/// What became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// The log has an outcome.
    Told(ToldOf),
    /// The issuer refused the retired version then.
    Dead(Timestamp),
}

type Entry = (ApplicationId, RotationId, Fact);

/// In memory, a few for each application that rotates.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Heard {
    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, application: &ApplicationId, rotation: RotationId, fact: Fact) {
        let entry = (application.clone(), rotation, fact);
        let mut entries = self.locked();
        if entries.contains(&entry) {
            return;
        }
        if entries.iter().filter(|(known, ..)| known == application).count() >= MOST {
            let oldest = entries.iter().position(|(known, ..)| known == application);
            oldest.map(|oldest| entries.remove(oldest));
        }
        entries.push(entry);
    }

    /// What is to be written for an application.
    pub(super) fn of(&self, application: &ApplicationId) -> Arc<Vec<Entry>> {
        Arc::new(self.locked().iter().filter(|(known, ..)| known == application).cloned().collect())
    }

    pub(super) fn written(&self, entries: &[Entry]) {
        self.locked().retain(|entry| !entries.contains(entry));
    }

    /// Adds it to what the rows say.
    pub(super) fn adds_to(&self, state: &mut ApplicationState) {
        for (_, rotation, fact) in self.locked().iter() {
            for row in state.rotations.iter_mut().filter(|row| row.id == *rotation) {
                match fact {
                    Fact::Told(ToldOf::Create) => row.told.create = true,
                    Fact::Told(ToldOf::Retire) => row.told.retire = true,
                    Fact::Told(ToldOf::Prove) => row.told.prove = true,
                    Fact::Told(ToldOf::Set) => row.told.set = true,
                    Fact::Dead(_) => row.proved_dead = true,
                }
            }
        }
    }
}

/// Writes what is known.
pub(super) async fn write_heard(transaction: &mut Transaction<'_>, entries: &[Entry]) -> Result<(), Error> {
    for (_, rotation, fact) in entries {
        let mut args = vec![rotation.to_string().into()];
        let sql = match fact {
            Fact::Told(ToldOf::Create) => "UPDATE rotation SET create_told = 1 WHERE rotation = $1",
            Fact::Told(ToldOf::Retire) => "UPDATE rotation SET retire_told = 1 WHERE rotation = $1",
            Fact::Told(ToldOf::Prove) => "UPDATE rotation SET prove_told = 1 WHERE rotation = $1",
            Fact::Told(ToldOf::Set) => "UPDATE rotation SET set_told = 1 WHERE rotation = $1",
            Fact::Dead(at) => {
                args.push((*at).into());
                DEAD
            }
        };
        transaction.execute(sql, &args).await?;
    }
    Ok(())
}
