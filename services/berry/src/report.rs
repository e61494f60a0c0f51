//! Says to the coordinator which versions this machine holds, after every poll that fetched well. What goes wrong here
//! is a warning and never in the way of a poll.

use std::sync::Arc;
use std::time::Duration;

use mint_types::{Clock, CredentialKind, Entropy, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ports::{Coordinator, Held, Refused, Statement};

/// The reports of one poll.
const DEADLINE: Duration = Duration::from_secs(10);
/// The pause after a failure, and its doublings, are no longer than this, or than the interval if that is longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The coordinator takes no longer interval: with a longer one the instance is forgotten between polls.
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);

/// Reports.
#[derive(Debug)]
pub struct Reporter {
    coordinator: Box<dyn Coordinator>,
    instance: String,
    interval: Duration,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sequence: u64,
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Reporter {
    /// For an instance that polls every `interval`.
    pub fn new(
        coordinator: Box<dyn Coordinator>,
        instance: String,
        interval: Duration,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { coordinator, instance, interval, clock, entropy, sequence: 0, failures: 0, not_before: None }
    }

    /// Says what is held, unless the last failure is too recent. Ends within its deadline.
    pub async fn tell(&mut self, held: &[Held]) {
        if held.is_empty() || self.not_before.is_some_and(|time| self.clock.now() < time) {
            return;
        }
        let answer = tokio::time::timeout(DEADLINE, self.tell_all(held)).await;
        match answer.unwrap_or_else(|_| Err(Refused::unanswered())) {
            Ok(()) => (self.failures, self.not_before) = (0, None),
            Err(refused) => self.failed(&refused),
        }
    }

    async fn tell_all(&mut self, held: &[Held]) -> Result<(), Refused> {
        let mut first = None;
        for held in held {
            if let Err(refused) = self.tell_one(held).await {
                // one file's trouble says nothing about the other's
                first = first.or(Some(refused));
            }
        }
        first.map_or(Ok(()), Err)
    }

    async fn tell_one(&mut self, held: &Held) -> Result<(), Refused> {
        let by_clock = u64::try_from(self.clock.now().unix_micros()).unwrap_or(0);
        self.sequence = by_clock.max(self.sequence.saturating_add(1));
        let said = Statement {
            kind: held.kind,
            version_id: held.version_id.clone(),
            instance: self.instance.clone(),
            sequence: self.sequence,
            poll_interval: self.interval.clamp(Duration::from_secs(1), LONGEST_INTERVAL),
        };
        let answer = self.coordinator.report(&said).await;
        if let Err(Refused { last_sequence: Some(last), .. }) = &answer {
            // the clock was set back since: go on where the last run ended
            self.sequence = self.sequence.max(*last);
        }
        answer
    }

    fn failed(&mut self, refused: &Refused) {
        self.failures = self.failures.saturating_add(1);
        let longest = LONGEST_PAUSE.max(self.interval);
        let pause = self.interval.saturating_mul(1 << self.failures.min(10)).min(longest) / 2;
        let jitter = u64::try_from((pause / 2).as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = pause / 2 + Duration::from_micros(self.entropy.below(jitter));
        self.not_before = Some(self.clock.now().plus(pause));
        tracing::warn!(
            code = "REPORT_FAILED",
            reason = refused.reason,
            detail = refused.detail,
            failures = self.failures,
            "the coordinator does not know which version is held here; fetching goes on"
        );
    }
}

/// A task of its own that reports the latest poll: nobody waits for it but the end of the process.
#[derive(Debug)]
pub(crate) struct Reports {
    latest: watch::Sender<Vec<Held>>,
    task: JoinHandle<()>,
}

impl Reports {
    pub(crate) fn start(mut reporter: Reporter) -> Self {
        let (latest, mut polls) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            while polls.changed().await.is_ok() {
                let held = polls.borrow_and_update().clone();
                reporter.tell(&held).await;
            }
        });
        Self { latest, task }
    }

    /// The outcome of a poll; one that was not reported yet is passed over.
    pub(crate) fn say(&self, held: Vec<Held>) {
        self.latest.send_replace(held);
    }

    /// Ends when the last poll is reported, or could not be.
    pub(crate) async fn finish(self) {
        drop(self.latest);
        if let Err(error) = self.task.await {
            tracing::error!(code = "WORKER_PANICKED", %error, "the reports ended unexpectedly");
        }
    }
}

/// The name of this instance, unless one is given: the machine and the directory, in the characters that are allowed.
pub(crate) fn instance_of(machine: &str, directory: &std::path::Path) -> String {
    let allowed =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let machine: String = machine.trim().chars().map(allowed).take(100).collect();
    let machine = if machine.is_empty() { "unnamed".to_owned() } else { machine };
    // FNV-1a: the same for ever, on every machine
    let hash =
        directory.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{machine}+{hash:016x}")
}

/// What a report concerns, by the object that was parsed.
pub(crate) fn held_by(kind: CredentialKind, object: &mint_secret::Object) -> Option<Held> {
    let kind = match object {
        mint_secret::Object::Client { client_secret: None, .. } => CredentialKind::PublicClient,
        _ => kind,
    };
    Some(Held { kind, version_id: object.version()?.to_owned() })
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
