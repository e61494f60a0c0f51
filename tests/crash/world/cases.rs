//! Which point is fired on which way, on which application, at which issuer.

mod reached;

use mint_types::ServiceName;

pub(crate) use reached::UNREACHABLE;

/// The issuer of a world. Together they end versions in the four ways that a driver can declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Issuer {
    /// Passwords end by a commit with a grace, clients by a commit at once.
    ServiceUser,
    /// Passwords end by a call of their own, secrets of clients when the next one is set.
    Glewlwyd,
}

impl Issuer {
    /// A world for each.
    pub(crate) const ALL: [Self; 2] = [Self::ServiceUser, Self::Glewlwyd];

    /// As the sandbox calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServiceUser => "service-user",
            Self::Glewlwyd => "glewlwyd",
        }
    }
}

/// How an application is brought to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Its password is rotated.
    Password,
    /// Its client's secret is rotated.
    Client,
    /// Both are, as one credential.
    Combined,
    /// Its public client is delivered again.
    Public,
    /// It appears, and gets its first versions.
    First,
    /// The registry retires it.
    Disable,
    /// The registry takes it back.
    Enable,
    /// Its owner changes its settings.
    Settings,
    /// The registry changes what it says of it.
    Facts,
    /// It is asked for before any list had it.
    Lookup,
    /// The issuer refuses to make its password.
    Refused,
    /// The issuer asks for a pause.
    RateLimited,
    /// The issuer does not know the password that is to stay when the others end.
    KeepUnknown,
    /// The issuer refuses to end what was in use.
    EndRefused,
    /// The issuer accepts a password that it ended.
    Lied,
    /// What was made is wanted no more before anything was written.
    Abandoned,
    /// Its overlap began on another machine.
    OtherMachine,
    /// The number of its last lease is one of a backup.
    Restored,
    /// An instance of it reports what it holds.
    Report,
    /// It is no longer delivered to one of its buckets.
    Tombstone,
    /// Somebody deletes its user by hand.
    Vanished,
    /// An operator has its user taken over.
    Adopted,
    /// Two operators let it go beyond the budget.
    Release,
    /// The registry loses it, and an operator decides.
    Decision,
    /// A user under our prefix without an application is removed.
    Orphan,
    /// Two operators end what it has at once.
    Revoke,
    /// The ledger is compared with what the issuer has.
    Reconcile,
    /// The same while the outcome of a call is unknown that made nothing.
    MadeNothing,
    /// Its objects are to be overwritten in one of its buckets when the day's budget is spent.
    OverBudget,
    /// An operator pauses it, and lets it go on.
    Pause,
    /// An operator pauses everything.
    PauseAll,
    /// An operator lets rotations at the issuer go on.
    Resume,
    /// The issuer's users are looked at.
    Look,
    /// It is retired, and then deleted.
    Delete,
    /// The service starts.
    Start,
    /// The registry is read.
    Sync,
    /// Somebody rotates, whoever: the call does not say for whom.
    Anybody,
}

impl Way {
    /// The kinds of credentials that a rotation can be asked for.
    pub(crate) const ROTATIONS: [Self; 4] = [Self::Password, Self::Client, Self::Combined, Self::Public];

    /// Whether the call that is hit says whom it concerns.
    pub(crate) fn is_for_an_application(self) -> bool {
        !matches!(
            self,
            Self::PauseAll
                | Self::Start
                | Self::Sync
                | Self::Anybody
                | Self::Resume
                | Self::Look
                | Self::RateLimited
        )
    }

    /// Whether something is taken away from the application, which I6 counts.
    pub(crate) fn takes(self) -> bool {
        matches!(
            self,
            Self::Disable
                | Self::Enable
                | Self::Delete
                | Self::Tombstone
                | Self::Abandoned
                | Self::Decision
                | Self::Orphan
        )
    }

    /// Whether a tombstone period passes on it.
    pub(crate) fn takes_long(self) -> bool {
        matches!(self, Self::Delete | Self::Orphan)
    }

    /// Whether the registry knows the application from the start.
    pub(crate) fn is_registered(self) -> bool {
        !matches!(self, Self::Lookup | Self::Orphan)
    }

    /// Whether it has credentials from the start.
    pub(crate) fn is_delivered(self) -> bool {
        self.is_registered() && self != Self::First
    }
}

/// One point, to be fired once.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The point's name.
    pub(crate) point: String,
    /// Whose it is.
    pub(crate) service: ServiceName,
    /// How it is reached.
    pub(crate) way: Way,
    /// In which world.
    pub(crate) issuer: Issuer,
    /// On which application.
    pub(crate) application: String,
}

/// Whether a point is known to be unreachable.
pub(crate) fn is_unreachable(point: &str) -> bool {
    UNREACHABLE.iter().any(|(call, _)| call_of(point) == *call)
}

/// A point without its side.
fn call_of(point: &str) -> &str {
    point.rsplit_once('.').map_or(point, |(call, _)| call)
}

/// Every case, each with an application of its own.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (service, point) in mint_crash::all_points() {
        for (issuer, way) in reached::ways(call_of(&point)) {
            let application = format!("crash-{:04}", cases.len());
            cases.push(Case { point: point.clone(), service, way, issuer, application });
        }
    }
    cases
}
