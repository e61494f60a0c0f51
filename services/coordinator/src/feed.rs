//! Tells a watcher of every application once, then of each change: each once, none lost, also those of other replicas.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mint_types::{ApplicationId, Timestamp};
use tokio::sync::watch;

use crate::operator::Operator;
use crate::status::Status;
use crate::store::{Store, StoreError};

/// Changes of other replicas ring no bell here.
const POLL: Duration = Duration::from_secs(1);
/// A commit may become visible this long after the time it carries, and clocks of replicas differ: what is older was
/// seen. Far above any commit's duration.
const SLACK: Duration = Duration::from_secs(30);

/// What one watcher has seen.
#[derive(Debug)]
pub struct Feed {
    operator: Operator,
    only: Option<ApplicationId>,
    bell: watch::Receiver<u64>,
    since: Timestamp,
    seen: HashMap<ApplicationId, u64>,
    queue: VecDeque<ApplicationId>,
}

impl Feed {
    /// A watcher of one application, or of all.
    pub fn new(operator: Operator, only: Option<ApplicationId>) -> Self {
        let bell = operator.parts().bell.listen();
        Self {
            operator,
            only,
            bell,
            since: Timestamp::from_unix_micros(0),
            seen: HashMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// The next status that this watcher has not seen.
    pub async fn next(&mut self) -> Result<Status, StoreError> {
        let mut first = self.seen.is_empty();
        loop {
            if let Some(id) = self.queue.pop_front() {
                if let Some(status) = self.read(&id).await? {
                    return Ok(status);
                }
                continue;
            }
            if !first {
                tokio::select! {
                    _ = self.bell.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            first = false;
            self.look().await?;
        }
    }

    async fn read(&mut self, id: &ApplicationId) -> Result<Option<Status>, StoreError> {
        let Some(desk) = self.operator.parts().store.desk(id).await? else {
            return Ok(None);
        };
        // it may have changed again since it was queued: then this is the newer one, and is told once
        let seen = self.seen.insert(id.clone(), desk.change);
        Ok((seen != Some(desk.change)).then(|| self.operator.status_of(&desk)))
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.operator.parts().clock.now();
        let changed = self.operator.parts().store.changed_since(self.since).await?;
        let mut fresh: Vec<ApplicationId> = changed
            .into_iter()
            .filter(|(id, _)| self.only.as_ref().is_none_or(|only| only == id))
            .filter(|(id, change)| self.seen.get(id).is_none_or(|seen| seen < change))
            .map(|(id, _)| id)
            .collect();
        fresh.sort();
        self.queue.extend(fresh);
        let slack = i64::try_from(SLACK.as_micros()).unwrap_or(i64::MAX);
        self.since = Timestamp::from_unix_micros(now.unix_micros().saturating_sub(slack).max(0));
        Ok(())
    }
}
