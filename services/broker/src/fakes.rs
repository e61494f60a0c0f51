//! The ports in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog as _, Behalf, MemoryAuditLog, Outcome};
use mint_port::Port;
use mint_secret::SecretValue;
use mint_testkit::{ManualClock, SeededEntropy};
use mint_types::{Clock as _, Period, RequestId};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::execute::{Asked, Bounds, Broker, Parts};
use crate::grants::tests::{row, table};
use crate::grants::{GrantRow, Subject};
use crate::metrics::Metrics;
use crate::ports::{AwsCredentials, Ledger, StsFault, TokenExchange};
use crate::signing::{Algorithm, KeyBook, TaggedToken, Tending, make_first};

pub(crate) const CACHE: Period = Period::from_seconds(600);

/// STS: it knows who asked, says what it is told, and lets in when the gate is open.
#[derive(Debug, Clone)]
pub(crate) struct FakeSts {
    pub(crate) asked: Arc<Mutex<Vec<(String, String)>>>,
    pub(crate) faults: Arc<Mutex<VecDeque<StsFault>>>,
    pub(crate) gate: watch::Sender<bool>,
    clock: ManualClock,
}

#[async_trait]
impl TokenExchange for FakeSts {
    async fn exchange(&self, token: &TaggedToken) -> Result<AwsCredentials, StsFault> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((token.grant().subject.to_string(), token.expose().to_owned()));
            asked.len()
        };
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
        if let Some(fault) = self.faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let secret = |text: String| Arc::new(SecretValue::new(text));
        Ok(AwsCredentials {
            access_key_id: format!("ASIA{number}"),
            secret_access_key: secret(format!("secret-{number}")),
            session_token: secret(format!("token-of-{}-{number}", token.grant().subject)),
            expiration: self.clock.now().plus(Duration::from_hours(1)),
        })
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FakeLedger {
    pub(crate) log: MemoryAuditLog,
    pub(crate) down_after: Arc<Mutex<Option<usize>>>,
}

impl FakeLedger {
    fn look(&self) {
        let down = self.down_after.lock().unwrap().is_some_and(|entries| self.log.entries().len() >= entries);
        self.log.set_down(down);
    }
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn announce(&self, act: Act, behalf: Behalf) -> Result<Announced, AuditError> {
        self.look();
        self.log.announce_for(act, behalf)
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        self.look();
        self.log.conclude(announced, outcome).await
    }
}

pub(crate) struct Bench {
    _directory: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) sts: FakeSts,
    pub(crate) ledger: FakeLedger,
    pub(crate) broker: Arc<Broker>,
    entropy: SeededEntropy,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&[row("ci", "abc"), row("other", "abcd"), row("twin", "abc")])
    }

    pub(crate) fn with(rows: &[GrantRow]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, entropy) = (ManualClock::default(), SeededEntropy::default());
        let tending = Tending { directory: directory.path(), now: clock.now(), cache: CACHE };
        make_first(tending, Algorithm::Es256).unwrap();
        let lifetime = Period::from_seconds(300);
        let keys = KeyBook::open(directory.path(), "https://broker.example.org", lifetime, CACHE).unwrap();
        let sts = FakeSts {
            asked: Arc::default(),
            faults: Arc::default(),
            gate: watch::Sender::new(true),
            clock: clock.clone(),
        };
        let ledger = FakeLedger::default();
        let parts = Parts {
            keys: Arc::new(keys),
            grants: table(rows).unwrap(),
            sts: Port::new(Arc::new(sts.clone())),
            ledger: Port::new(Arc::new(ledger.clone())),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(entropy.clone()),
            metrics: Metrics::new(&opentelemetry::global::meter("test")),
        };
        let bounds = Bounds { interval: Duration::from_secs(1), burst: 50, margin: Duration::from_mins(5) };
        let broker = Broker::new(parts, bounds, &TaskTracker::new());
        Self { _directory: directory, clock, sts, ledger, broker, entropy }
    }

    pub(crate) fn asks(&self, subject: &str, key: Option<&str>) -> Asked {
        Asked {
            subject: Subject::bearer(subject).unwrap(),
            key: key.map(|key| key.parse().unwrap()),
            request: RequestId::random(&self.entropy),
        }
    }

    /// Who asked STS.
    pub(crate) fn exchanged(&self) -> Vec<String> {
        self.sts.asked.lock().unwrap().iter().map(|(subject, _)| subject.clone()).collect()
    }
}
