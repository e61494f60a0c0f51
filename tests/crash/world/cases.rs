//! Which point is fired on which way, on which application.

use mint_types::ServiceName;

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
    /// What was made is wanted no more before anything was written.
    Abandoned,
    /// Its overlap began on another machine.
    OtherMachine,
    /// An operator pauses it, and lets it go on.
    Pause,
    /// An operator pauses everything.
    PauseAll,
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
        !matches!(self, Self::PauseAll | Self::Start | Self::Sync | Self::Anybody)
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
    /// On which application.
    pub(crate) application: String,
}

/// Points that no real process can reach, each with the reason and what covers it. One that fires nevertheless fails the
/// run.
pub(crate) const UNREACHABLE: &[(&str, &str)] = &[
    ("identity-provisioner.issuer.list", "nobody lists the issuer's users yet"),
    (
        "coordinator.store.probe",
        "asked only while the state cannot be written: coordinator's full_disk tests",
    ),
];

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
        for way in ways(call_of(&point)) {
            let application = format!("crash-{:04}", cases.len());
            cases.push(Case { point: point.clone(), service, way, application });
        }
    }
    cases
}

/// The ways on which a call is made. A call that nobody wrote down here is expected on every rotation, so that a new one
/// fails until somebody says how it is reached.
fn ways(call: &str) -> Vec<Way> {
    use Way::{
        Abandoned, Anybody, Client, Combined, Delete, Disable, Enable, Facts, First, Lookup, OtherMachine,
        Password, Pause, PauseAll, Public, Refused, Settings, Start, Sync,
    };
    if is_unreachable(&format!("{call}.before")) {
        return Vec::new();
    }
    match call {
        "rotator.issuer.create_password" | "rotator.issuer.commit_password" => vec![Password, Combined],
        "rotator.issuer.create_client" | "rotator.issuer.commit_client" => vec![Client, Combined],
        "rotator.login.password" => vec![Password],
        "rotator.login.client" => vec![Client],
        "rotator.login.password_and_client" => vec![Combined],
        "rotator.login.public_client" => vec![Public],
        "rotator.login.revoke" => vec![Client, Combined],
        "rotator.ledger.committed" | "rotator.ledger.dead" | "coordinator.rotator.prove" => {
            vec![Password, Client, Combined]
        }
        "rotator.ledger.attempt_failed" => vec![Refused],
        "rotator.ledger.abandon" | "coordinator.rotator.abandon" => vec![Abandoned],
        "rotator.ledger.begin_overlap" => vec![OtherMachine],
        "rotator.distributor-keys.list" => vec![Anybody],
        "distributor.rotator-keys.list" | "coordinator.catalog.list" | "coordinator.catalog.watch" => {
            vec![Start]
        }
        "coordinator.store.reclaim" | "registry-sync.catalog.adopt" => vec![Start],
        "registry-sync.source.list" | "registry-sync.catalog.remember_source" => vec![Sync],
        "registry-sync.source.changed_after" => vec![Anybody],
        "registry-sync.source.read" => vec![Lookup],
        "registry-sync.catalog.apply" | "coordinator.store.take_in" => vec![Facts],
        "registry-sync.catalog.enter" | "registry-sync.audit.announce" | "registry-sync.audit.conclude" => {
            vec![Settings]
        }
        "registry-sync.catalog.change" => vec![Settings, First],
        "registry-sync.catalog.record_identity"
        | "identity-provisioner.catalog.record_identity"
        | "identity-provisioner.issuer.exists"
        | "coordinator.identities.ensure" => vec![First],
        "coordinator.identities.disable" => vec![Disable],
        "coordinator.identities.enable" => vec![Enable],
        "coordinator.store.set_paused" => vec![Pause],
        "coordinator.store.set_all_paused" => vec![PauseAll],
        "identity-provisioner.issuer.delete" => vec![Delete],
        call if call.starts_with("identity-provisioner.") => vec![First, Disable, Enable],
        _ => Way::ROTATIONS.to_vec(),
    }
}
