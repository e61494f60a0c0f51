//! The closed set of error codes, with the meaning of `google.rpc.Code`.

/// How a caller should understand a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is wrong whatever the state is.
    InvalidArgument,
    /// What it names does not exist.
    NotFound,
    /// What it makes exists.
    AlreadyExists,
    /// The peer may not do this.
    PermissionDenied,
    /// Nobody knows who the peer is.
    Unauthenticated,
    /// A budget or rate is used up; try later.
    ResourceExhausted,
    /// The state forbids it; something else must happen first.
    FailedPrecondition,
    /// Somebody else was quicker; read again and repeat.
    Aborted,
    /// Something outside does not answer; repeat with backoff.
    Unavailable,
    /// It took too long; the outcome is unknown.
    DeadlineExceeded,
    /// Something outside answered what nobody can understand, or data is damaged.
    DataLoss,
    /// A fault of ours.
    Internal,
    /// This version of Mint cannot do it.
    Unimplemented,
}
