//! Errors on the wire: `google.rpc.Status` with `ErrorInfo` (AIP-193).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mint_types::Code;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every `ErrorInfo` of Mint.
pub const ERROR_DOMAIN: &str = "mint";

/// An error as a service answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason})")]
pub struct Fault {
    /// How the caller should understand it.
    pub code: Code,
    /// Stable reason in upper snake case.
    pub reason: &'static str,
    /// What happened and what to do, for people. Never a secret.
    pub message: String,
    /// Facts for programs.
    pub metadata: Vec<(&'static str, String)>,
    /// When a repeat makes sense (`google.rpc.RetryInfo`).
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault without metadata.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), metadata: Vec::new(), retry_after: None }
    }

    /// Adds a fact.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }

    /// Says when a repeat makes sense.
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

/// The gRPC code of an error code.
pub fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::AlreadyExists => tonic::Code::AlreadyExists,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::Aborted => tonic::Code::Aborted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::DataLoss => tonic::Code::DataLoss,
        Code::Internal => tonic::Code::Internal,
        Code::Unimplemented => tonic::Code::Unimplemented,
    }
}

fn code_of(code: tonic::Code) -> Code {
    match code {
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Code::InvalidArgument,
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::AlreadyExists => Code::AlreadyExists,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::Unauthenticated => Code::Unauthenticated,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::Aborted => Code::Aborted,
        tonic::Code::Unavailable => Code::Unavailable,
        // tonic ends a call whose `Endpoint::timeout` ran out as `Cancelled`: the outcome is unknown all the same
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Code::DeadlineExceeded,
        tonic::Code::DataLoss => Code::DataLoss,
        tonic::Code::Unimplemented => Code::Unimplemented,
        tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal => Code::Internal,
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let metadata: HashMap<String, String> =
            fault.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::with_error_info(fault.reason, ERROR_DOMAIN, metadata);
        if let Some(delay) = fault.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(grpc_code(fault.code), fault.message, details)
    }
}

/// An error as a caller received it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({reason})")]
pub struct WireFault {
    /// How to understand it.
    pub code: Code,
    /// The stable reason; `TRANSPORT` when the answer carried none (the peer may never have seen the call).
    pub reason: String,
    /// For people.
    pub message: String,
    /// Facts for programs.
    pub metadata: BTreeMap<String, String>,
    /// When a repeat makes sense.
    pub retry_after: Option<Duration>,
}

impl WireFault {
    /// The reason of an answer that carries none of ours.
    pub const TRANSPORT: &'static str = "TRANSPORT";

    /// Reads a status.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let (reason, metadata) = match info {
            Some(info) => (info.reason.clone(), info.metadata.clone().into_iter().collect()),
            None => (Self::TRANSPORT.to_owned(), BTreeMap::new()),
        };
        Self {
            code: code_of(status.code()),
            reason,
            message: status.message().to_owned(),
            metadata,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

impl From<Status> for WireFault {
    fn from(status: Status) -> Self {
        Self::from_status(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_wire() {
        let fault = Fault::new(Code::ResourceExhausted, "ISSUER_RATE_LIMITED", "the issuer answered 429")
            .with("status", "429")
            .after(Duration::from_secs(90));
        let read = WireFault::from_status(&Status::from(fault));
        assert_eq!(read.code, Code::ResourceExhausted);
        assert_eq!(read.reason, "ISSUER_RATE_LIMITED");
        assert_eq!(read.metadata["status"], "429");
        assert_eq!(read.retry_after, Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_status_without_our_details_is_a_transport_error() {
        let read = WireFault::from_status(&Status::cancelled("Timeout expired"));
        assert_eq!((read.reason.as_str(), read.code), (WireFault::TRANSPORT, Code::DeadlineExceeded));
    }
}
