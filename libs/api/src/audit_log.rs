//! Said before done (invariant I5): the port through which a service announces every act and tells its outcome.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mint_types::{ApplicationId, Code, CredentialKind, Entropy, RequestId, RotationId};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;

use crate::audit::v1::audit_service_client::AuditServiceClient;
use crate::audit::v1::{self, AppendRequest, AppendResponse, Phase};
use crate::{Fault, WireFault, convert};

/// How long an append may take before the act is refused; the log answers in milliseconds when it is well.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// `<noun>.<verb>`, for example `credential.create`.
    pub action: &'static str,
    /// The application it is done to.
    pub application: Option<ApplicationId>,
    /// The kind of credential.
    pub kind: Option<CredentialKind>,
    /// What it is done to: a user name, `bucket/key`, a setting. Never a secret.
    pub resource: String,
    /// The rotation it belongs to.
    pub rotation: Option<RotationId>,
    /// The request it belongs to.
    pub request: RequestId,
}

/// On whose behalf an act is done, and by which kind of role at AWS (the role itself is the act's resource).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behalf {
    /// For example `data-role-via-jwt`.
    pub requested_role: &'static str,
    /// Whom the service verified.
    pub subject: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It surely had no effect.
    Failure {
        /// Stable reason in upper snake case.
        reason: &'static str,
    },
    /// Nobody knows whether it had an effect.
    Unknown {
        /// Stable reason in upper snake case.
        reason: &'static str,
    },
}

/// The log did not take an entry: nothing may be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log did not take the entry, so nothing is done: {0}")]
pub struct AuditError(pub WireFault);

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        Self::new(Code::Unavailable, "AUDIT_UNAVAILABLE", error.to_string())
            .with("audit_reason", error.0.reason.clone())
    }
}

/// Proof that an act was announced: acting functions take it. Conclude it, whatever came of the act.
#[derive(Debug)]
#[must_use = "an announced act must be concluded"]
pub struct Announced {
    act: Act,
    behalf: Option<Behalf>,
    leaf_index: u64,
}

impl Announced {
    /// The act.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Where the log keeps the announcement.
    pub fn leaf_index(&self) -> u64 {
        self.leaf_index
    }
}

/// The port.
#[mint_port::port(name = "audit")]
#[async_trait]
pub trait AuditLog: std::fmt::Debug + Send + Sync {
    /// Makes the announcement durable; on an error nothing may be done.
    async fn announce(&self, act: Act) -> Result<Announced, AuditError>;

    /// Makes the outcome durable. On an error the caller reports failure; a repeat of its call concludes again.
    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError>;
}

/// The log over gRPC.
#[derive(Debug, Clone)]
pub struct GrpcAuditLog<C> {
    client: AuditServiceClient<C>,
    entropy: Arc<dyn Entropy>,
}

/// An append is idempotent by its entry id, so an unanswered one is sent again this often.
const APPEND_ATTEMPTS: u32 = 3;

impl<C> GrpcAuditLog<C>
where
    C: GrpcService<Body> + Clone,
    C::Error: Into<StdError>,
    C::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    /// A log behind a channel to `audit`.
    pub fn new(channel: C, entropy: Arc<dyn Entropy>) -> Self {
        Self { client: AuditServiceClient::new(channel), entropy }
    }

    /// [`AuditLog::announce`] for an act on somebody's behalf. [`AuditLog::conclude`] concludes it too.
    pub async fn announce_for(&self, act: Act, behalf: Behalf) -> Result<Announced, AuditError> {
        self.announced(act, Some(behalf)).await
    }

    async fn announced(&self, act: Act, behalf: Option<Behalf>) -> Result<Announced, AuditError> {
        let request = AppendRequest {
            phase: Phase::Init.into(),
            act: Some(wire_act(&act, behalf.as_ref())),
            outcome: v1::Outcome::Unspecified.into(),
            reason: String::new(),
            init_index: 0,
            entry_id: RequestId::random(self.entropy.as_ref()).to_string(),
        };
        let response = self.append(request).await?;
        Ok(Announced { act, behalf, leaf_index: response.leaf_index })
    }

    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, AuditError> {
        let mut failures = 0;
        loop {
            let mut call = tonic::Request::new(request.clone());
            call.set_timeout(APPEND_DEADLINE);
            let answer = tokio::time::timeout(APPEND_DEADLINE, self.client.clone().append(call)).await;
            let fault = match answer {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => WireFault::from_status(&status),
                Err(_) => {
                    WireFault::from_status(&tonic::Status::deadline_exceeded("the audit log did not answer"))
                }
            };
            failures += 1;
            let repeatable = matches!(fault.code, Code::Unavailable | Code::DeadlineExceeded);
            if !repeatable || failures >= APPEND_ATTEMPTS {
                return Err(AuditError(fault));
            }
            let pause = 50 * u64::from(failures) + self.entropy.below(50);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

fn wire_act(act: &Act, behalf: Option<&Behalf>) -> v1::Act {
    v1::Act {
        action: act.action.to_owned(),
        application_id: act.application.as_ref().map(ToString::to_string).unwrap_or_default(),
        kind: act.kind.map_or(0, |kind| convert::kind_to_wire(kind).into()),
        resource: act.resource.clone(),
        rotation_id: act.rotation.map(|rotation| rotation.to_string()).unwrap_or_default(),
        request_id: act.request.to_string(),
        requested_role: behalf.map(|behalf| behalf.requested_role.to_owned()).unwrap_or_default(),
        subject: behalf.map(|behalf| behalf.subject.clone()).unwrap_or_default(),
    }
}

#[async_trait]
impl<C> AuditLog for GrpcAuditLog<C>
where
    C: GrpcService<Body> + Clone + std::fmt::Debug + Send + Sync + 'static,
    C::Future: Send,
    C::Error: Into<StdError>,
    C::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        self.announced(act, None).await
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        let (outcome, reason) = match outcome {
            Outcome::Success => (v1::Outcome::Success, ""),
            Outcome::Failure { reason } => (v1::Outcome::Failure, reason),
            Outcome::Unknown { reason } => (v1::Outcome::Unknown, reason),
        };
        let request = AppendRequest {
            phase: Phase::Complete.into(),
            act: Some(wire_act(&announced.act, announced.behalf.as_ref())),
            outcome: outcome.into(),
            reason: reason.to_owned(),
            init_index: announced.leaf_index,
            entry_id: RequestId::random(self.entropy.as_ref()).to_string(),
        };
        self.append(request).await.map(drop)
    }
}

/// A line of a [`MemoryAuditLog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryEntry {
    /// The act.
    pub act: Act,
    /// On whose behalf, if not the service's own.
    pub behalf: Option<Behalf>,
    /// None for the announcement.
    pub outcome: Option<Outcome>,
    /// The announcement's index; its own for the announcement.
    pub init_index: u64,
}

/// The log in memory, for tests and simulations; it can be told to refuse.
#[derive(Debug, Clone, Default)]
pub struct MemoryAuditLog {
    state: Arc<Mutex<MemoryState>>,
}

#[derive(Debug, Default)]
struct MemoryState {
    entries: Vec<MemoryEntry>,
    down: bool,
}

impl MemoryAuditLog {
    /// Everything that was appended.
    pub fn entries(&self) -> Vec<MemoryEntry> {
        self.locked().entries.clone()
    }

    /// [`AuditLog::announce`] for an act on somebody's behalf.
    pub fn announce_for(&self, act: Act, behalf: Behalf) -> Result<Announced, AuditError> {
        let leaf_index = self.push(act.clone(), Some(behalf.clone()), None, None)?;
        Ok(Announced { act, behalf: Some(behalf), leaf_index })
    }

    /// Refuses every append while `down`.
    pub fn set_down(&self, down: bool) {
        self.locked().down = down;
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(
        &self,
        act: Act,
        behalf: Option<Behalf>,
        outcome: Option<Outcome>,
        init_index: Option<u64>,
    ) -> Result<u64, AuditError> {
        let mut state = self.locked();
        if state.down {
            let status = tonic::Status::unavailable("the log is down");
            return Err(AuditError(WireFault::from_status(&status)));
        }
        let index = u64::try_from(state.entries.len()).unwrap_or(u64::MAX);
        state.entries.push(MemoryEntry { act, behalf, outcome, init_index: init_index.unwrap_or(index) });
        Ok(index)
    }
}

#[async_trait]
impl AuditLog for MemoryAuditLog {
    async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        let leaf_index = self.push(act.clone(), None, None, None)?;
        Ok(Announced { act, behalf: None, leaf_index })
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        self.push(announced.act, announced.behalf, Some(outcome), Some(announced.leaf_index)).map(drop)
    }
}
