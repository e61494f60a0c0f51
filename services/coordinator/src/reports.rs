//! What instances of applications report: gathered for a moment, kept in one write, answered when it is durable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mint_api::Fault;
use mint_saga::{MOST_INSTANCES, Unheard};
use mint_types::{ApplicationId, Code};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::policy::Parts;
use crate::store::{NotKept, Reported, Store, StoreError};

/// At most one write per so long: a fleet that polls must not become a load. Far below what berry waits for an answer.
const WINDOW: Duration = Duration::from_secs(2);
/// More than these wait for no write: a caller hears at once that it has to come again.
const MOST_WAITING: usize = 5000;

type Answer = Result<Result<(), NotKept>, StoreError>;

/// The reports that wait for the next write.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    parts: Arc<Parts>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    reports: Vec<(Reported, oneshot::Sender<Answer>)>,
    is_scheduled: bool,
    written_at: Option<Instant>,
}

impl Reports {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, waiting: Arc::default() }
    }

    /// Ends when the report is durable, or refused.
    pub(crate) async fn keep(&self, reported: Reported) -> Result<(), Fault> {
        let application = reported.application.clone();
        let (sender, answer) = oneshot::channel();
        let pause = {
            let mut waiting = self.locked();
            if waiting.reports.len() >= MOST_WAITING {
                return Err(busy());
            }
            waiting.reports.push((reported, sender));
            let first = !std::mem::replace(&mut waiting.is_scheduled, true);
            first.then(|| waiting.written_at.map_or(Duration::ZERO, |at| WINDOW.saturating_sub(at.elapsed())))
        };
        if let Some(pause) = pause {
            // a task of its own: whoever came first may hang up
            tokio::spawn(self.clone().write_after(pause));
        }
        match answer.await {
            Ok(Ok(answer)) => answer.map_err(|refused| refusal(&application, refused)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(busy()),
        }
    }

    async fn write_after(self, pause: Duration) {
        tokio::time::sleep(pause).await;
        let (reports, senders): (Vec<_>, Vec<_>) = {
            let mut waiting = self.locked();
            waiting.is_scheduled = false;
            waiting.written_at = Some(Instant::now());
            std::mem::take(&mut waiting.reports).into_iter().unzip()
        };
        let answers = match self.parts.store.report(&reports, self.parts.clock.now()).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); senders.len()],
        };
        self.parts.bell.ring();
        for (sender, answer) in senders.into_iter().zip(answers) {
            // whoever hung up does not want to know
            drop(sender.send(answer));
        }
    }

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Fault {
    let message = "too many reports wait to be kept: report again with the next poll";
    Fault::new(Code::ResourceExhausted, "REPORTS_BUSY", message).after(WINDOW)
}

fn refusal(application: &ApplicationId, refused: NotKept) -> Fault {
    let fault = match refused {
        NotKept::ApplicationUnknown => Fault::new(
            Code::NotFound,
            "APPLICATION_UNKNOWN",
            format!(
                "the coordinator knows no application {application}: report again when the catalog has it"
            ),
        ),
        NotKept::VersionUnknown => Fault::new(
            Code::FailedPrecondition,
            "VERSION_UNKNOWN",
            format!("{application} has no version of this id: report what stands in the fetched object"),
        ),
        NotKept::Unheard(Unheard::Replayed { last }) => Fault::new(
            Code::FailedPrecondition,
            "REPORT_REPLAYED",
            format!("{refused}: number the next one higher"),
        )
        .with("last_sequence", last.to_string()),
        NotKept::Unheard(Unheard::TooMany) => Fault::new(
            Code::ResourceExhausted,
            "TOO_MANY_INSTANCES",
            format!(
                "{application} has {MOST_INSTANCES} instances already: those that are silent for three polls make room"
            ),
        ),
    };
    fault.with("application", application.as_str())
}
