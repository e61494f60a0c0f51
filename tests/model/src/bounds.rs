//! What a configuration lets happen, and the rules in force in all of them.

use std::time::Duration;

use mint_issuer_contract::{Ends, EndsOf};
use mint_rotator::Rules;
use mint_rotator::plan::Proving;
use mint_saga::Backoff;
use mint_types::{CredentialKind, Timestamp};

/// When the model's world begins.
pub const BEGIN: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
/// How long a lease lasts after the holder's last sign.
pub const LEASE: Duration = Duration::from_secs(30);
/// How long a store accepts a signed PUT.
pub const PUT_EXPIRY: Duration = Duration::from_mins(1);
/// How long an issuer accepts older passwords after a commit.
pub const GRACE: Duration = Duration::from_secs(20);
/// How long an issuer accepts the one version before the newest: longer than any delivery takes here.
pub const LONG_GRACE: Duration = Duration::from_secs(5000);
/// How often credentials are replaced where nothing else is said: longer than any rotation takes, whatever fails.
const LONG_PERIOD_SECONDS: u64 = 100_000;
/// How long to wait after failures.
pub const BACKOFF: Backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_mins(2) };
/// More steps than any rotation takes within the bounds, whatever fails: a path that is longer does not converge.
pub const MOST_STEPS: u16 = 400;

/// The rotator's rules at an issuer.
pub fn rules(ends: EndsOf, min_overlap: Duration) -> Rules {
    Rules {
        min_overlap,
        max_overlap: Duration::from_mins(10),
        ends,
        request_life: Duration::from_mins(1),
        unresolved_hold: Duration::from_mins(2),
        login_pause: Duration::ZERO,
        replace_window: Duration::from_secs(30),
        proving: Proving { by_login: true, attempts: 10 },
    }
}

/// A taken-over coordinator's calls, each with a token that a lease of its own gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hostile {
    /// It hands the last receipt in for the rotation that is open now.
    ReplayReceipt,
    /// It asks for Retire, whatever it knows.
    Retire,
    /// It begins a rotation beside the open one.
    Create,
    /// It has an envelope delivered that it kept.
    RedeliverEnvelope,
    /// It does nothing until an overlap has passed.
    Wait,
    /// It calls with a token that no lease can have made.
    TokenFromTheFuture,
}

/// How much of what may happen.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// What it is about.
    pub name: &'static str,
    /// The credentials of the one application.
    pub kinds: &'static [CredentialKind],
    /// What ends a previous version.
    pub ends: EndsOf,
    /// How often credentials are replaced, in seconds.
    pub period_seconds: u64,
    /// How long consumers have.
    pub min_overlap: Duration,
    /// Whether the identity was in use before Mint came.
    pub foreign: bool,
    /// Rotations of each credential.
    pub rotations: u64,
    /// Buckets.
    pub destinations: usize,
    /// Coordinators that share a database.
    pub coordinators: u8,
    /// Machines, each with a boot of its own, on which the rotator's replicas answer.
    pub machines: u8,
    /// Processes that die.
    pub crashes: u8,
    /// Calls, answers or writes that are lost, late or come twice.
    pub messages: u8,
    /// Writes that a bucket refuses.
    pub refusals: u8,
    /// Leases that run out while their holder works.
    pub leases: u8,
    /// Times that the distributor reads settings without a bucket.
    pub emptied: u8,
    /// Changes of mind of the owner, who wants the combined layout then.
    pub changes: u8,
    /// Calls of a taken-over coordinator.
    pub hostile: u8,
    /// Whether they may hold a rotation up: whoever took the coordinator over can delay (DESIGN section 5), nothing else.
    pub may_delay: bool,
    /// Which.
    pub acts: &'static [Hostile],
}

impl Bounds {
    /// The bounds in one line.
    pub fn describe(&self) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let mut parts = vec![
            format!("{} ({:?})", kinds.join("+"), self.behaviour()),
            format!("{} coordinators", self.coordinators),
            format!("{} destinations", self.destinations),
            format!("<= {} rotations", self.rotations),
        ];
        for (count, what) in [
            (self.crashes, "crashes"),
            (self.messages, "lost, doubled or late messages"),
            (self.refusals, "refused writes"),
            (self.leases, "lost leases"),
            (self.emptied, "emptied settings"),
            (self.changes, "other layouts"),
            (self.hostile, "hostile calls"),
        ] {
            if count > 0 {
                parts.push(format!("<= {count} {what}"));
            }
        }
        if self.foreign {
            parts.push("in use before Mint".to_owned());
        }
        if self.machines > 1 {
            parts.push(format!("{} boots", self.machines));
        }
        parts.join(", ")
    }

    fn behaviour(&self) -> Vec<Ends> {
        let objects = self.kinds.iter().flat_map(|kind| mint_rotator::plan::objects_asked(*kind));
        objects.map(|object| self.ends.of(*object)).collect()
    }
}

const BASE: Bounds = Bounds {
    name: "",
    kinds: &[CredentialKind::Password],
    ends: EndsOf { user: Ends::Commit { grace: GRACE }, client: Ends::CommitAtOnce },
    period_seconds: LONG_PERIOD_SECONDS,
    min_overlap: Duration::from_mins(1),
    foreign: false,
    rotations: 2,
    destinations: 2,
    coordinators: 2,
    machines: 1,
    crashes: 0,
    messages: 0,
    refusals: 0,
    leases: 0,
    emptied: 0,
    changes: 0,
    hostile: 0,
    may_delay: false,
    acts: &[],
};

/// Every configuration, each explored exhaustively.
pub fn configurations() -> Vec<Bounds> {
    use CredentialKind::{Client, Combined, Password, PublicClient};
    let each = |name, kinds| Bounds { name, kinds, crashes: 1, messages: 1, ..BASE };
    let own_call = EndsOf { user: Ends::OwnCall, ..BASE.ends };
    let set = EndsOf { user: Ends::OwnCall, client: Ends::Set };
    let create = EndsOf { client: Ends::Create { grace: LONG_GRACE }, ..BASE.ends };
    let last = |name| Bounds { name, rotations: 1, foreign: true, ..BASE };
    vec![
        each("commit with grace", &[Password]),
        each("commit at once", &[Client]),
        Bounds { ends: own_call, ..each("own call", &[Password]) },
        Bounds { ends: create, ..each("create with grace", &[Client]) },
        Bounds { rotations: 1, foreign: true, ..each("combined", &[Combined]) },
        Bounds { ends: set, ..each("replace", &[Client]) },
        Bounds { ends: set, kinds: &[Client], refusals: 1, messages: 1, ..last("replace a foreign value") },
        Bounds { ends: set, rotations: 1, refusals: 1, ..each("replace, combined", &[Combined]) },
        each("public client", &[PublicClient]),
        Bounds {
            name: "side by side",
            kinds: &[Password, Client],
            rotations: 1,
            destinations: 1,
            crashes: 1,
            ..BASE
        },
        Bounds { crashes: 1, messages: 1, ..last("in use before Mint came") },
        Bounds { name: "two deaths", crashes: 2, ..BASE },
        Bounds { crashes: 2, messages: 1, destinations: 1, ..last("two deaths and a lost message") },
        Bounds { name: "a lost lease", messages: 1, leases: 1, destinations: 1, ..BASE },
        Bounds { crashes: 1, leases: 1, ..last("a death and a lost lease") },
        Bounds { name: "a bucket that refuses", refusals: 2, messages: 1, ..BASE },
        // the next version comes while a write of the last one may still land
        Bounds {
            name: "late writes",
            period_seconds: 20,
            min_overlap: Duration::from_secs(5),
            messages: 1,
            destinations: 1,
            ..BASE
        },
        Bounds { machines: 2, leases: 1, destinations: 1, ..last("two machines") },
        Bounds {
            name: "another layout",
            kinds: &[Password, Combined],
            rotations: 1,
            destinations: 1,
            crashes: 1,
            messages: 1,
            changes: 1,
            ..BASE
        },
        Bounds {
            name: "another layout, replace",
            ends: set,
            kinds: &[Client, Combined],
            rotations: 1,
            destinations: 1,
            crashes: 1,
            messages: 1,
            changes: 1,
            ..BASE
        },
        Bounds { name: "settings emptied", emptied: 1, crashes: 1, destinations: 1, ..BASE },
        Bounds {
            name: "a coordinator taken over",
            hostile: 2,
            may_delay: true,
            destinations: 1,
            acts: &[Hostile::ReplayReceipt, Hostile::Retire, Hostile::Create, Hostile::RedeliverEnvelope],
            ..BASE
        },
        Bounds {
            name: "a receipt replayed",
            hostile: 3,
            may_delay: true,
            destinations: 1,
            acts: &[Hostile::ReplayReceipt, Hostile::Wait, Hostile::Retire],
            ..BASE
        },
        Bounds {
            name: "a poisoned fence",
            hostile: 1,
            crashes: 1,
            acts: &[Hostile::TokenFromTheFuture],
            ..BASE
        },
    ]
}

/// The same kinds of faults, one of them at a time: for `cargo test`.
pub fn small_configurations() -> Vec<Bounds> {
    let fewer = |bounds: Bounds| Bounds {
        crashes: bounds.crashes.min(u8::from(bounds.messages + bounds.leases == 0 || bounds.changes > 0)),
        messages: bounds.messages.min(u8::from(bounds.leases + bounds.refusals + bounds.changes == 0)),
        hostile: bounds.hostile.min(2),
        ..bounds
    };
    configurations().into_iter().map(fewer).collect()
}
