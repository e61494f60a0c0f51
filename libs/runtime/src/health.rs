//! Readiness: NOT_SERVING until everything the service depends on answered once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// What must answer once before the service says SERVING. Peers of the configuration are in it from the start and are
/// probed by the runtime; a service adds what else it depends on.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<Mutex<BTreeMap<String, bool>>>,
    ready: watch::Sender<bool>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { state: Arc::default(), ready: watch::Sender::new(true) }
    }
}

impl Readiness {
    /// `dependency` must answer once. Call it before `serve`.
    pub fn require(&self, dependency: impl Into<String>) {
        self.change(|state| {
            state.entry(dependency.into()).or_insert(false);
        });
    }

    /// `dependency` answered; that it fails later does not take it back.
    pub fn answered(&self, dependency: &str) {
        self.change(|state| {
            state.insert(dependency.to_owned(), true);
        });
    }

    /// What has not answered yet.
    pub fn waiting_for(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.iter().filter(|(_, answered)| !**answered).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    fn change(&self, edit: impl FnOnce(&mut BTreeMap<String, bool>)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        edit(&mut state);
        let ready = state.values().all(|answered| *answered);
        self.ready.send_if_modified(|now| std::mem::replace(now, ready) != ready);
    }
}

/// Says what `readiness` says, for the process and each of its services, until the process shuts down.
pub(crate) async fn report(
    readiness: Readiness,
    reporter: HealthReporter,
    services: &'static [&'static str],
    shutdown: tokio_util::sync::CancellationToken,
) {
    let mut ready = readiness.watch();
    loop {
        let serving = *ready.borrow_and_update();
        say(&reporter, services, serving).await;
        tracing::info!(serving, waiting_for = ?readiness.waiting_for(), "health");
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = ready.changed() => if changed.is_err() { break },
        }
    }
    say(&reporter, services, false).await;
}

/// For the process and each of its services.
pub(crate) async fn say(reporter: &HealthReporter, services: &[&str], serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in services.iter().chain(&[""]) {
        reporter.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_everything_required_answered_once() {
        let readiness = Readiness::default();
        let ready = readiness.watch();
        assert!(*ready.borrow());
        readiness.require("audit");
        readiness.require("catalog");
        readiness.answered("audit");
        assert!(!*ready.borrow());
        assert_eq!(readiness.waiting_for(), ["catalog"]);
        readiness.answered("catalog");
        readiness.require("audit");
        assert!(*ready.borrow());
    }
}
