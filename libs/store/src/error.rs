//! Why the store did not do what was asked, from the caller's point of view.

use mint_types::Code;

/// Why the store did not do what was asked. No text in it ever quotes the value of an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Disk full, locked, connection lost, too busy: nothing was changed; may work later.
    #[error("the state is unavailable: {detail}")]
    Unavailable { detail: String },
    /// The connection was lost while committing: nobody knows whether the write is durable.
    #[error("the state became unavailable during a commit, which may or may not have happened: {detail}")]
    OutcomeUnknown { detail: String },
    /// A row with this key exists.
    #[error("the row conflicts with another one ({constraint})")]
    Conflict { constraint: String },
    /// The contents are not what the program wrote.
    #[error("the state is corrupt: {detail}")]
    Corrupt { detail: String },
    /// The statement cannot work: a programming error, a missing grant, a violated check.
    #[error("the state refused the statement: {detail}")]
    Refused { detail: String },
    /// The URL is not one that can be opened.
    #[error("the state URL cannot be used: {detail}")]
    Url { detail: String },
    /// The database was written by a newer program.
    #[error(
        "the database has schema version {database}, newer than this program's {program}: run the newer program"
    )]
    Newer { database: i64, program: i64 },
    /// The database lacks migrations and may not be migrated here.
    #[error("the database lacks schema version {missing}: run this service's `migrate` command")]
    Outdated { missing: i64 },
    /// The server is another than the one that this state was written on, or has lost a part of its history.
    #[error(
        "the state is quarantined: it was written on {known} and is now on {found}, so a failover or a restored backup may \
         have lost what was written last. Nothing is done until an administrator accepts it: run this service's `migrate` \
         command with state.accept_origin = \"{found}\", then restart the service"
    )]
    Quarantined { known: String, found: String },
    /// A migration that was already run is not the one in the program.
    #[error("schema version {version} of the database is not the one of this program")]
    Changed { version: i64 },
}

impl Error {
    /// The code for the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } | Self::OutcomeUnknown { .. } => Code::Unavailable,
            Self::Conflict { .. } => Code::AlreadyExists,
            Self::Corrupt { .. } => Code::DataLoss,
            Self::Refused { .. } => Code::Internal,
            Self::Url { .. } => Code::InvalidArgument,
            Self::Newer { .. } | Self::Outdated { .. } | Self::Changed { .. } | Self::Quarantined { .. } => {
                Code::FailedPrecondition
            }
        }
    }

    /// Whether the write surely left no trace.
    pub fn surely_not_done(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Whether a row with this key is there already.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether trying again later can help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::OutcomeUnknown { .. })
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable { detail: detail.into() }
    }
}

/// What an [`crate::Engine`] says when it did not do as asked.
#[derive(Clone, Debug)]
pub struct Classified {
    /// What the caller hears.
    pub error: Error,
    /// Whether it lost against another write, and may win when it is run again.
    pub repeat: bool,
}

impl From<Error> for Classified {
    fn from(error: Error) -> Self {
        Self { error, repeat: false }
    }
}

/// What everything but a database's own answer means.
pub(crate) fn classify_transport(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Io(io) => Error::unavailable(format!("input/output: {}", io.kind())),
        sqlx::Error::Tls(_) => Error::unavailable("the TLS connection to the database failed"),
        sqlx::Error::PoolTimedOut => Error::unavailable("no connection became free in time"),
        sqlx::Error::PoolClosed => Error::unavailable("the store is closed"),
        sqlx::Error::WorkerCrashed => Error::unavailable("the database worker ended"),
        sqlx::Error::Protocol(_) => Error::unavailable("the connection was broken off"),
        sqlx::Error::Configuration(_) => Error::Url { detail: "it is not understood".into() },
        sqlx::Error::ColumnDecode { index, .. } => {
            Error::Corrupt { detail: format!("column {index} has an unexpected type") }
        }
        sqlx::Error::ColumnNotFound(name) => {
            Error::Corrupt { detail: format!("there is no column `{name}`") }
        }
        sqlx::Error::Encode(_) => Error::Refused { detail: "an argument cannot be encoded".into() },
        _ => Error::Refused { detail: "the driver refused".into() },
    }
}
