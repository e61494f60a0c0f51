//! The log: one writer, and everything that is queued when it is free goes into one commit.

use mint_port::Port;
use tokio::sync::{mpsc, oneshot};

use crate::draft::Draft;
use crate::error::{Error, Refusal};
use crate::leaf::Leaf;
use crate::ports::{Filter, LogStore, Page};

/// Entries of one commit: it bounds how long the first of them waits for the last.
const LARGEST_BATCH: usize = 256;
/// Entries that wait; beyond it, callers wait before they are queued.
const QUEUE: usize = 1024;

struct Queued {
    draft: Draft,
    answer: oneshot::Sender<Result<Result<Leaf, Refusal>, Error>>,
}

/// The log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Queued>,
    store: Port<dyn LogStore>,
}

impl Log {
    /// A log over `store`, and the writer that must be run for it.
    pub fn new(store: Port<dyn LogStore>) -> (Self, Writer) {
        let (queue, queued) = mpsc::channel(QUEUE);
        (Self { queue, store: store.clone() }, Writer { queued, store })
    }

    /// Answers when the entry is durable, or was refused. After an error nobody knows: repeat with the same entry id.
    pub async fn append(&self, draft: Draft) -> Result<Result<Leaf, Refusal>, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Queued { draft, answer }).await.map_err(|_| Error::ShuttingDown)?;
        answered.await.map_err(|_| Error::ShuttingDown)?
    }

    /// Entries by filter, from position `start` on.
    pub async fn list(&self, filter: &Filter, start: u64, size: u32) -> Result<Page, Error> {
        self.store.list(filter, start, size).await
    }
}

/// Commits what is queued.
#[derive(Debug)]
pub struct Writer {
    queued: mpsc::Receiver<Queued>,
    store: Port<dyn LogStore>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queued").field("entry_id", &self.draft.entry_id).finish_non_exhaustive()
    }
}

impl Writer {
    /// Until every [`Log`] is dropped: calls that are answered during the drain still append.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(LARGEST_BATCH);
        while self.queued.recv_many(&mut batch, LARGEST_BATCH).await > 0 {
            let (drafts, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|queued| (queued.draft, queued.answer)).unzip();
            match self.store.append(&drafts).await {
                Ok(leaves) => {
                    for (answer, leaf) in answers.into_iter().zip(leaves) {
                        // A caller that is gone repeats with the same entry id.
                        drop(answer.send(Ok(leaf)));
                    }
                }
                Err(error) => {
                    tracing::error!(code = "STATE_UNAVAILABLE", entries = drafts.len(), %error, "nothing was appended");
                    for answer in answers {
                        drop(answer.send(Err(error.clone())));
                    }
                }
            }
        }
    }
}
