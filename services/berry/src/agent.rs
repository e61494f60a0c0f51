//! When to poll, and when to end.

use std::sync::Arc;
use std::time::Duration;

use mint_types::Entropy;

use crate::poll::{FileState, Poller, Report};
use crate::report::{Reporter, Reports};

/// While waiting for the first credentials the store is asked this often at first; the pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause while waiting: whoever waits wants to start.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// When to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// After the first poll, or with `wait` after the first that completes the directory.
    pub once: bool,
    /// Poll often until every file is there.
    pub wait: bool,
}

/// Polls for ever, or until the mode says so.
#[derive(Debug)]
pub struct Agent {
    poller: Poller,
    interval: Duration,
    entropy: Arc<dyn Entropy>,
    reporter: Option<Reporter>,
}

impl Agent {
    /// Polls every `interval`, give or take a tenth.
    pub fn new(poller: Poller, interval: Duration, entropy: Arc<dyn Entropy>) -> Self {
        Self { poller, interval, entropy, reporter: None }
    }

    /// Reports what it holds after each poll.
    #[must_use]
    pub fn reporting(self, reporter: Option<Reporter>) -> Self {
        Self { reporter, ..self }
    }

    /// Answers whether all is well, if it ends at all.
    pub async fn run(&mut self, mode: Mode) -> bool {
        let mut pause = FIRST_PAUSE;
        let mut waits = mode.wait;
        let reports = self.reporter.take().map(Reports::start);
        loop {
            let report = self.poller.poll().await;
            log(&report);
            if let Some(reports) = &reports {
                reports.say(report.held.clone());
            }
            if mode.once && (!mode.wait || report.is_complete) {
                if let Some(reports) = reports {
                    reports.finish().await;
                }
                return report.is_well();
            }
            if report.is_complete {
                waits = false;
            }
            if waits {
                tokio::time::sleep(self.jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE).min(self.interval.max(FIRST_PAUSE));
            } else {
                tokio::time::sleep(self.jittered(self.interval)).await;
            }
        }
    }

    /// From nine to eleven tenths: machines that started together must not ask together for ever.
    fn jittered(&self, pause: Duration) -> Duration {
        let tenth = u64::try_from(pause.as_micros() / 10).unwrap_or(u64::MAX);
        let spread = self.entropy.below(tenth.saturating_mul(2).saturating_add(1));
        pause.saturating_sub(Duration::from_micros(tenth)) + Duration::from_micros(spread)
    }
}

fn log(report: &Report) {
    for (file, state) in &report.files {
        match state {
            FileState::Replaced => tracing::info!(file, "replaced"),
            FileState::Unchanged => tracing::debug!(file, "unchanged"),
            FileState::Absent(absence) => {
                tracing::warn!(file, why = absence.as_str(), "absent, nothing is changed");
            }
            FileState::Failed(why) => tracing::error!(file, why, "failed, nothing is changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use mint_testkit::SeededEntropy;

    use super::*;
    use crate::poll::tests::world;

    #[test]
    fn the_interval_has_jitter_of_a_tenth() {
        let (poller, _store, _directory) = world();
        let agent = Agent::new(poller, Duration::from_secs(100), Arc::new(SeededEntropy::new(1)));
        let pauses: Vec<_> = (0..100).map(|_| agent.jittered(agent.interval).as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (90.0..=110.0).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause < 95.0) && pauses.iter().any(|pause| *pause > 105.0));
    }

    #[tokio::test]
    async fn once_ends_after_one_poll_and_says_whether_a_file_failed() {
        let (poller, store, _directory) = world();
        let mut agent = Agent::new(poller, Duration::from_secs(100), Arc::new(SeededEntropy::new(1)));
        assert!(!agent.run(Mode { once: true, wait: false }).await);
        store.deliver(1);
        assert!(agent.run(Mode { once: true, wait: false }).await);
    }

    #[tokio::test]
    async fn wait_goes_on_until_the_first_credentials_exist() {
        let (poller, store, _directory) = world();
        let mut agent = Agent::new(poller, Duration::from_secs(100), Arc::new(SeededEntropy::new(1)));
        let later = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            store.deliver(1);
        };
        let (well, ()) = tokio::join!(agent.run(Mode { once: true, wait: true }), later);
        assert!(well);
    }
}
