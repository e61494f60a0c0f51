//! What can go wrong, in words an operator can act on.

use std::path::PathBuf;

use mint_types::ServiceName;

/// Everything went well.
pub(crate) const OK: u8 = 0;
/// Something that was asked for failed.
pub(crate) const FAILED: u8 = 1;
/// The command line or an input file is wrong (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// A program or a running world is missing or does not answer (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// Somebody else is at it (`EX_TEMPFAIL`).
pub(crate) const BUSY: u8 = 75;
/// The peer refuses (`EX_NOPERM`).
pub(crate) const REFUSED: u8 = 77;
/// Configuration, certificate or key cannot be used (`EX_CONFIG`).
pub(crate) const CONFIG: u8 = 78;

/// Why a command ends without having done what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value on the command line or in the environment is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// A registry file is wrong.
    #[error("the registry file {} is refused: {rule}", file.display())]
    Registry {
        /// Which file.
        file: PathBuf,
        /// The rule it breaks, with the key.
        rule: String,
    },
    /// An executable of the constellation is not beside this one.
    #[error("the executable {name} is not in {}", directory.display())]
    MissingExecutable {
        /// Which executable.
        name: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Another `mint up` holds the data directory.
    #[error("another mint up runs on {}", data.display())]
    Busy {
        /// Which data directory.
        data: PathBuf,
    },
    /// No world runs where it was looked for.
    #[error("no running world is known at {}: {what}", data.display())]
    NoWorld {
        /// Which data directory.
        data: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A service does not answer.
    #[error("{service} does not answer: {what}")]
    Unanswered {
        /// Which service.
        service: ServiceName,
        /// What was seen.
        what: String,
    },
    /// A service refuses.
    #[error("{service} answered {code:?} {reason}: {message}")]
    Refused {
        /// Which service.
        service: ServiceName,
        /// The gRPC code.
        code: tonic::Code,
        /// The stable reason, or `-`.
        reason: String,
        /// The service's words.
        message: String,
    },
    /// A child cannot be started or refuses its configuration.
    #[error("{name} {what}")]
    Child {
        /// Which child.
        name: String,
        /// What it did.
        what: String,
    },
    /// A certificate or key cannot be made or used.
    #[error("{what}")]
    Identity {
        /// What is wrong.
        what: String,
    },
    /// A rotation did not end well.
    #[error("{what}")]
    Rotation {
        /// What is wrong.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// STS gives no credentials.
    #[error("STS gives no credentials: {what}")]
    Exchange {
        /// The code of its refusal, or why there is no answer. Never its message: that may quote the token.
        what: String,
        /// Whether it refuses.
        refused: bool,
    },
    /// Something took too long.
    #[error("{what} within {}", timeout)]
    TimedOut {
        /// What did not happen.
        what: String,
        /// How long it was waited for.
        timeout: mint_types::Period,
    },
    /// The operating system refused.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// A closure for `map_err` that says what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "USAGE",
            Self::Registry { .. } => "REGISTRY_FILE_INVALID",
            Self::MissingExecutable { .. } => "EXECUTABLE_MISSING",
            Self::Busy { .. } => "DATA_IN_USE",
            Self::NoWorld { .. } => "NO_WORLD",
            Self::Unanswered { .. } => "SERVICE_UNREACHABLE",
            Self::Refused { .. } => "SERVICE_REFUSED",
            Self::Child { .. } => "CHILD_FAILED",
            Self::Identity { .. } => "IDENTITY_UNUSABLE",
            Self::Rotation { .. } => "ROTATION_FAILED",
            Self::Exchange { refused: true, .. } => "STS_REFUSED",
            Self::Exchange { refused: false, .. } => "STS_UNAVAILABLE",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Io { .. } => "IO",
        }
    }

    /// What the reader can do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Usage { advice, .. } | Self::Rotation { advice, .. } => advice.clone(),
            Self::Registry { .. } => {
                "correct the file; its format is that of deploy/examples/registry.yaml".to_owned()
            }
            Self::MissingExecutable { .. } => "build it: cargo build --locked --workspace --bins".to_owned(),
            Self::Busy { .. } => "stop the other one, or choose another directory with --data".to_owned(),
            Self::NoWorld { data, .. } => format!(
                "start one with `mint up --data {}`, or name the services with --endpoint, --ca, --cert and --key",
                data.display()
            ),
            Self::Unanswered { .. } => {
                "look at `mint status` and at the service's log in DIR/run/logs; then try again".to_owned()
            }
            Self::Refused { code, reason, .. } => refusal_advice(*code, reason).to_owned(),
            Self::Child { .. } => "its last lines are above and in DIR/run/logs".to_owned(),
            Self::Identity { .. } => {
                "check the files that --ca, --cert and --key (or MINT_*) name".to_owned()
            }
            Self::Exchange { refused: true, .. } => {
                "AccessDenied: the role's trust must allow sts:TagSession and the broker's issuer (`mint policy render`); \
                 InvalidIdentityToken: STS must reach the broker's published keys"
                    .to_owned()
            }
            Self::Exchange { refused: false, .. } => {
                "check --sts or AWS_ENDPOINT_URL_STS, and the network; then try again".to_owned()
            }
            Self::TimedOut { .. } => "look at `mint status`; give it longer with --timeout".to_owned(),
            Self::Io { .. } => "check path, permissions and free space".to_owned(),
        }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Registry { .. } => USAGE,
            Self::MissingExecutable { .. } | Self::NoWorld { .. } | Self::Unanswered { .. } => UNAVAILABLE,
            Self::Exchange { refused, .. } => {
                if *refused {
                    REFUSED
                } else {
                    UNAVAILABLE
                }
            }
            Self::Busy { .. } => BUSY,
            Self::Identity { .. } | Self::Child { .. } => CONFIG,
            Self::Refused { code, .. } => match code {
                tonic::Code::InvalidArgument | tonic::Code::OutOfRange => USAGE,
                tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => REFUSED,
                tonic::Code::ResourceExhausted => BUSY,
                _ => FAILED,
            },
            Self::Rotation { .. } | Self::TimedOut { .. } | Self::Io { .. } => FAILED,
        }
    }
}

fn refusal_advice(code: tonic::Code, reason: &str) -> &'static str {
    match (reason, code) {
        ("SETTINGS_CHANGED", _) => {
            "somebody changed the settings meanwhile: look at `mint app show` and try again"
        }
        ("APPLICATION_UNKNOWN", _) | (_, tonic::Code::NotFound) => {
            "look at `mint status` for the names that exist"
        }
        ("STATEMENT_SIGNERS_MISSING", _) => {
            "have it signed by who is missing: keep it with --save FILE where it is made, then `mint statement sign FILE \
             --signer …` and `mint statement submit FILE`; or name every signer with --signer"
        }
        ("STATEMENT_NOT_IN_FORCE", _) => "make the statement anew and hand it in while it holds",
        ("NOT_OWNER", _) => "act as a member of the owning team or as an operator (--cert, --key)",
        (_, tonic::Code::PermissionDenied | tonic::Code::Unauthenticated) => {
            "act with a certificate that may do this (--cert, --key); after an application's `env` a shell has its \
             certificate in MINT_CERT and MINT_KEY"
        }
        (_, tonic::Code::InvalidArgument | tonic::Code::OutOfRange) => "correct the value and try again",
        (_, tonic::Code::ResourceExhausted) => "try again later",
        _ => "look at `mint status` for the problem behind it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_executable_says_how_to_build_it() {
        let error = Error::MissingExecutable { name: "mint-rotator".to_owned(), directory: "/x".into() };
        assert_eq!(error.exit_code(), 69);
        assert_eq!(error.to_string(), "the executable mint-rotator is not in /x");
        assert!(error.advice().contains("cargo build --locked --workspace --bins"));
    }

    #[test]
    fn a_refused_permission_has_its_own_exit_code() {
        let refused = |code| Error::Refused {
            service: ServiceName::RegistrySync,
            code,
            reason: "NOT_OWNER".to_owned(),
            message: String::new(),
        };
        assert_eq!(refused(tonic::Code::PermissionDenied).exit_code(), REFUSED);
        assert_eq!(refused(tonic::Code::InvalidArgument).exit_code(), USAGE);
        assert_eq!(refused(tonic::Code::NotFound).exit_code(), FAILED);
        assert!(refused(tonic::Code::PermissionDenied).advice().contains("owning team"));
    }

    #[test]
    fn a_statement_that_lacks_a_signer_is_to_be_signed_not_asked_for_with_another_certificate() {
        let advice = refusal_advice(tonic::Code::PermissionDenied, "STATEMENT_SIGNERS_MISSING");
        assert!(advice.contains("mint statement sign") && !advice.contains("--cert"), "{advice}");
    }
}
