//! The outside in memory: an issuer with the rules of COMPAT section 3, a catalog, a distributor, a log; and faults.

mod catalog;
mod distributor;
mod issuer;
mod log;
mod login;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mint_api::WireFault;
use mint_api::audit_log::MemoryAuditLog;
use mint_issuer_contract::{ClientIds, Declaration, Declared, Ends, MadeBy, Recipe};
use mint_secret::{KeyRing, KeyUse};
use mint_statement::{SignedStatement, Statement, StatementKey, TrustedKeys};
use mint_testkit::{ManualClock, SeededEntropy};
use mint_types::{Application, ApplicationId, Clock as _, Code};
use tokio::sync::Notify;

use crate::Statements;
use issuer::User;

pub(crate) const PASSWORD_GRACE: Duration = Duration::from_secs(10);
pub(crate) const PUBLIC_CLIENT: &str = "public-client-id";

/// What goes wrong at one call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It surely does not happen.
    Refused,
    /// It happens, and the answer is lost.
    Unanswered,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it, before the answer.
    DiesAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Refused, Self::Unanswered, Self::DiesBefore, Self::DiesAfter];
}

#[derive(Debug, Default)]
struct Inner {
    users: BTreeMap<String, User>,
    records: BTreeMap<ApplicationId, Application>,
    made: u32,
    calls: Vec<&'static str>,
    /// Calls that an act waits for: faults count these.
    steps: usize,
    fault: Option<(usize, Fault)>,
    /// Durable writes so far.
    writes: usize,
    /// The same for them.
    write_fault: Option<(usize, Fault)>,
    rejects_logins: bool,
    accepts_everything: bool,
    login_trouble: bool,
    /// Says that it ended something, and did not.
    ends_nothing: bool,
    /// Says that it knows nothing of what it is to keep, and lies.
    denies_ends: bool,
    /// Statements that were signed.
    statements: u64,
    /// The clock goes on by so much at a call.
    stall: Option<(usize, Duration)>,
    /// What the issuer is; the service-user API if nothing else is said.
    declaration: Option<Declaration>,
}

/// Everything outside of the rotator. Clones are the same world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    inner: Arc<Mutex<Inner>>,
    pub(crate) clock: ManualClock,
    pub(crate) log: MemoryAuditLog,
    pub(crate) distributor: Arc<KeyRing>,
    /// Told when the process is to die.
    pub(crate) died: Arc<Notify>,
    trusted: Arc<tempfile::TempDir>,
}

/// What a fault lets a call do.
#[derive(Debug)]
pub(crate) enum Course {
    Normal,
    Refused,
    Unanswered,
    DiesAfter,
}

impl World {
    pub(crate) fn new() -> Self {
        let uses = [KeyUse::DistributorSeal, KeyUse::DistributorReceipt];
        Self {
            inner: Arc::default(),
            clock: ManualClock::default(),
            log: MemoryAuditLog::default(),
            distributor: Arc::new(KeyRing::in_memory(&uses, &SeededEntropy::new(77)).unwrap()),
            died: Arc::default(),
            trusted: Arc::new(trusted()),
        }
    }

    /// A world whose distributor has other keys.
    pub(crate) fn with_other_keys() -> Self {
        let uses = [KeyUse::DistributorSeal, KeyUse::DistributorReceipt];
        Self {
            distributor: Arc::new(KeyRing::in_memory(&uses, &SeededEntropy::new(78)).unwrap()),
            ..Self::new()
        }
    }

    /// Whom this world's rotator believes: the operators `ada` and `bob`, and the team `team`.
    pub(crate) fn statements(&self) -> Statements {
        Statements::new(Some(self.trusted.path().join("keys.json")))
    }

    /// A statement by these signers.
    pub(crate) fn signed(
        &self,
        subject: mint_statement::Subject,
        life: Duration,
        signers: &[&str],
    ) -> Vec<u8> {
        let id = self.locked().statements;
        self.locked().statements += 1;
        let entropy = SeededEntropy::new(1000 + id);
        let statement = Statement::new(subject, self.clock.now(), life, &entropy);
        let mut signers = signers.iter().map(|signer| statement_key(signer));
        let first = SignedStatement::sign(statement, &signers.next().unwrap()).unwrap();
        signers.fold(first, |signed, key| signed.signed_by(&key)).to_bytes()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call number `index` (from now) of any port goes wrong.
    pub(crate) fn fail_at(&self, index: usize, fault: Fault) {
        let mut inner = self.locked();
        let at = inner.steps + index;
        inner.fault = Some((at, fault));
    }

    /// The process is stopped for so long within the call number `index` (from now) of any port.
    pub(crate) fn stall_at(&self, index: usize, pause: Duration) {
        let mut inner = self.locked();
        let at = inner.steps + index;
        inner.stall = Some((at, pause));
    }

    /// The durable write number `index` (from now) goes wrong.
    pub(crate) fn fail_at_write(&self, index: usize, fault: Fault) {
        let mut inner = self.locked();
        let at = inner.writes + index;
        inner.write_fault = Some((at, fault));
    }

    /// How many durable writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.locked().writes
    }

    /// Whether the fault is still ahead.
    pub(crate) fn fault_is_ahead(&self) -> bool {
        let inner = self.locked();
        inner.fault.is_some() || inner.write_fault.is_some()
    }

    /// Counts a durable write and lets it go wrong where it is to.
    pub(crate) async fn before_a_write(&self) -> Result<Course, mint_store::Error> {
        let fault = {
            let mut inner = self.locked();
            let index = inner.writes;
            inner.writes += 1;
            inner.write_fault.take_if(|(at, _)| *at == index)
        };
        match fault.map(|(_, fault)| fault) {
            None => Ok(Course::Normal),
            Some(Fault::Refused) => Err(mint_store::Error::Unavailable { detail: "injected".to_owned() }),
            Some(Fault::Unanswered) => Ok(Course::Unanswered),
            Some(Fault::DiesAfter) => Ok(Course::DiesAfter),
            Some(Fault::DiesBefore) => self.die().await,
        }
    }

    /// What becomes of its answer.
    pub(crate) async fn after_a_write(&self, course: Course) -> Result<(), mint_store::Error> {
        match course {
            Course::Normal | Course::Refused => Ok(()),
            Course::Unanswered => Err(mint_store::Error::OutcomeUnknown { detail: "injected".to_owned() }),
            Course::DiesAfter => self.die().await,
        }
    }

    pub(crate) fn reject_logins(&self, rejects: bool) {
        self.locked().rejects_logins = rejects;
    }

    pub(crate) fn accept_everything(&self, accepts: bool) {
        self.locked().accepts_everything = accepts;
    }

    pub(crate) fn end_nothing(&self, ends_nothing: bool) {
        self.locked().ends_nothing = ends_nothing;
    }

    pub(crate) fn deny_ends(&self, denies: bool) {
        self.locked().denies_ends = denies;
    }

    /// The issuer is of another kind, and Mint makes its secrets.
    pub(crate) fn declare(&self, user: Ends, client: Ends) {
        let declared = |ends| Declared {
            ends,
            late_end: issuer::late_end(ends),
            made_by: MadeBy::Mint(Recipe::default()),
            lists: false,
        };
        let declaration = Declaration {
            driver: "of-a-test",
            client_ids: ClientIds::Answered,
            user: declared(user),
            client: declared(client),
        };
        self.locked().declaration = Some(declaration);
    }

    /// The issuer is told a client by its id alone, which is its user's name.
    pub(crate) fn name_clients_by_user(&self) {
        if let Some(declaration) = self.locked().declaration.as_mut() {
            declaration.client_ids = ClientIds::Username;
        }
    }

    pub(crate) fn trouble_logins(&self, trouble: bool) {
        self.locked().login_trouble = trouble;
    }

    /// Every call so far, by name.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.locked().calls.clone()
    }

    /// Calls to the issuer so far.
    pub(crate) fn issuer_calls(&self) -> Vec<&'static str> {
        let inside = ["announce", "conclude", "catalog", "keys"];
        self.calls().into_iter().filter(|call| !inside.contains(call)).collect()
    }

    /// Counts a call and lets it go wrong where it is to.
    async fn course(&self, call: &'static str) -> Course {
        let fault = {
            let mut inner = self.locked();
            let index = inner.steps;
            inner.steps += 1;
            inner.calls.push(call);
            if let Some((_, pause)) = inner.stall.take_if(|(at, _)| *at == index) {
                self.clock.advance(pause);
            }
            match inner.fault {
                Some((at, fault)) if at == index => {
                    inner.fault = None;
                    Some(fault)
                }
                _ => None,
            }
        };
        match fault {
            None => Course::Normal,
            Some(Fault::Refused) => Course::Refused,
            Some(Fault::Unanswered) => Course::Unanswered,
            Some(Fault::DiesAfter) => Course::DiesAfter,
            Some(Fault::DiesBefore) => self.die().await,
        }
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }
}

/// `operator/NAME` or `team/ID`; a forger's key is not the trusted one of its name.
fn statement_key(signer: &str) -> StatementKey {
    let seed = [signer.bytes().fold(7, u8::wrapping_add); 32];
    let name = signer.strip_suffix(" (forged)").unwrap_or(signer);
    StatementKey::from_seed(name.parse().unwrap(), &seed).unwrap()
}

fn trusted() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let keys = ["operator/ada", "operator/bob", "team/team"].map(|signer| statement_key(signer).trusted());
    std::fs::write(directory.path().join("keys.json"), TrustedKeys::to_text(keys.to_vec())).unwrap();
    directory
}

fn outage() -> WireFault {
    WireFault {
        code: Code::Unavailable,
        reason: WireFault::TRANSPORT.to_owned(),
        message: "injected".to_owned(),
        metadata: BTreeMap::new(),
        retry_after: None,
    }
}
