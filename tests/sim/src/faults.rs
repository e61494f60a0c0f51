//! What goes wrong at a call.

use std::time::Duration;

use crate::scene::{ProcessId, State};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It was never sent.
    NotSent,
    /// 429 with Retry-After; not done.
    RateLimited,
    /// A 5xx, and nothing was done.
    ErrorBefore,
    /// A 5xx, and it was done.
    ErrorAfter,
    /// It was done, and the answer is lost.
    LostReply,
    /// No answer, and it is done later.
    Late,
    /// A 200 with rubbish; nothing was done.
    RubbishBefore,
    /// A 200 with rubbish; it was done.
    RubbishAfter,
    /// It is done twice, the second time later.
    Duplicate,
    /// The connection broke within the body: a store refuses half an object, and nobody says so.
    Partial,
    /// The caller dies before it.
    CrashBefore,
    /// The caller dies after it.
    CrashAfter,
    /// The disk is full for this write.
    DiskFull,
    /// The write is durable, and the caller is told that nobody knows.
    CommitUnknown,
    /// A process dies on its own.
    Crash,
    /// A machine boots anew.
    Reboot,
    /// A wall clock jumps.
    ClockJump,
    /// An issuer that accepts what it made refuses one login with it.
    LoginRefused,
    /// Somebody replays or forges what was carried.
    Hostile,
}

impl Fault {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not sent",
            Self::RateLimited => "429",
            Self::ErrorBefore => "5xx, not done",
            Self::ErrorAfter => "5xx, done",
            Self::LostReply => "lost reply",
            Self::Late => "done late",
            Self::RubbishBefore => "lying 200, not done",
            Self::RubbishAfter => "lying 200, done",
            Self::Duplicate => "duplicate",
            Self::Partial => "partial write",
            Self::CrashBefore => "crash before a call",
            Self::CrashAfter => "crash after a call",
            Self::DiskFull => "disk full",
            Self::CommitUnknown => "commit unknown",
            Self::Crash => "crash at any time",
            Self::Reboot => "reboot",
            Self::ClockJump => "clock jump",
            Self::LoginRefused => "login refused",
            Self::Hostile => "hostile call",
        }
    }
}

/// What may go wrong at a call between two services.
pub(crate) const CALL: &[Fault] = &[
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::LostReply,
    Fault::Late,
    Fault::Duplicate,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
/// What may go wrong at a read.
pub(crate) const READ: &[Fault] = &[Fault::NotSent, Fault::ErrorBefore, Fault::LostReply, Fault::CrashBefore];
/// What may go wrong when the issuer is told to make something.
pub(crate) const MAKE: &[Fault] = &[
    Fault::NotSent,
    Fault::RateLimited,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::LostReply,
    Fault::Late,
    Fault::RubbishBefore,
    Fault::RubbishAfter,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
/// What may go wrong when the issuer is told something that may be repeated.
pub(crate) const SET: &[Fault] = &[
    Fault::NotSent,
    Fault::RateLimited,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::LostReply,
    Fault::Late,
    Fault::RubbishBefore,
    Fault::RubbishAfter,
    Fault::Duplicate,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
/// What may go wrong at a login.
pub(crate) const LOGIN: &[Fault] = &[
    Fault::NotSent,
    Fault::RateLimited,
    Fault::LostReply,
    Fault::LoginRefused,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
/// What may go wrong at a PUT to a store.
pub(crate) const PUT: &[Fault] = &[
    Fault::NotSent,
    Fault::RateLimited,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::LostReply,
    Fault::Late,
    Fault::Late,
    Fault::Partial,
    Fault::RubbishBefore,
    Fault::RubbishAfter,
    Fault::CrashBefore,
    Fault::CrashAfter,
];
/// What may go wrong at an append to the audit log.
pub(crate) const APPEND: &[Fault] =
    &[Fault::NotSent, Fault::LostReply, Fault::CrashBefore, Fault::CrashAfter];
/// What may go wrong at a durable write.
pub(crate) const COMMIT_BEFORE: &[Fault] = &[Fault::DiskFull, Fault::CrashBefore];
/// The same, after it.
pub(crate) const COMMIT_AFTER: &[Fault] = &[Fault::CommitUnknown, Fault::CrashAfter];

impl State {
    /// Draws what a call meets; none is the usual case.
    pub(crate) fn meets(
        &mut self,
        process: ProcessId,
        point: &str,
        kinds: &[Fault],
        share: u64,
    ) -> Option<Fault> {
        if self.calm || !self.rng.happens(self.fault_rate / share) {
            return None;
        }
        let fault = kinds[self.rng.index(kinds.len())];
        self.count(fault);
        let name = self.processes[process].name.clone();
        self.trace(|| format!("fault {name} {point}: {}", fault.as_str()));
        Some(fault)
    }

    /// Counts a fault that was drawn elsewhere.
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault).or_default() += 1;
    }

    /// How long a message takes.
    pub(crate) fn latency(&mut self) -> Duration {
        Duration::from_millis(1 + self.rng.below(20))
    }

    /// A duration up to `longest`.
    pub(crate) fn within(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(1 + self.rng.below(u64::try_from(longest.as_millis()).unwrap_or(1).max(1)))
    }
}
