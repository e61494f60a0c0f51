//! The table: on which ways a call is made. Driver kinds differ in what the rotator asks of the issuer and writes down, so
//! its calls are hit for each of them; calls that are the same whatever ends a version are hit for one.

use super::{Issuer, Way};

/// Points that no real process can reach, each with the reason and what covers it. One that fires nevertheless fails the
/// run.
pub(crate) const UNREACHABLE: &[(&str, &str)] = &[
    (
        "coordinator.store.probe",
        "asked only while the state cannot be written: coordinator's full_disk tests",
    ),
    ("coordinator.store.wake_all", "only when the wall clock was set back: tests/peers/clock_jumps.sh"),
    (
        "coordinator.store.end_overlong",
        "only when somebody's clock was ahead: coordinator's tests of its leases, tests/peers/clock_jumps.sh",
    ),
    (
        "rotator.ledger.close_what_was_open",
        "only when the state was put back from a backup: the rotator's own tests of its ledger",
    ),
    (
        "identity-provisioner.state.remember_lost_writes",
        "only when the state was put back from a backup: identity-provisioner's own tests of its releases",
    ),
];

/// The ways on which a call is made. A call that nobody wrote down here is expected on every rotation, so that a new one
/// fails until somebody says how it is reached.
pub(super) fn ways(call: &str) -> Vec<(Issuer, Way)> {
    if super::is_unreachable(&format!("{call}.before")) {
        return Vec::new();
    }
    let at = |issuer: Issuer, ways: Vec<Way>| ways.into_iter().map(move |way| (issuer, way));
    let here = at(Issuer::ServiceUser, at_service_user(call));
    here.chain(at(Issuer::Glewlwyd, at_glewlwyd(call))).collect()
}

fn at_service_user(call: &str) -> Vec<Way> {
    use Way::{
        Abandoned, Adopted, Anybody, Client, Combined, Decision, Delete, Disable, Enable, Facts, First,
        KeepUnknown, Lied, Look, Lookup, Orphan, OtherMachine, Password, Pause, PauseAll, Public,
        RateLimited, Reconcile, Refused, Release, Report, Restored, Resume, Revoke, Settings, Start, Sync,
        Tombstone, Vanished,
    };
    match call {
        "rotator.issuer.create" | "rotator.issuer.end" => vec![Password, Client, Combined],
        "rotator.issuer.set"
        | "rotator.ledger.first_write"
        | "rotator.ledger.value_set"
        | "rotator.issuer.alive"
        | "rotator.ledger.made_nothing"
        | "rotator.ledger.end_failed"
        | "identity-provisioner.state.wait" => vec![],
        "rotator.ledger.accept_revocation"
        | "rotator.ledger.excuse"
        | "rotator.ledger.ended_at_once"
        | "rotator.ledger.revoked"
        | "rotator.ledger.revocation_told"
        | "coordinator.rotator.revoke"
        | "coordinator.store.keep_revocations"
        | "coordinator.store.close_revocation" => vec![Revoke],
        "coordinator.rotator.reconcile"
        | "coordinator.rotator.check"
        | "rotator.ledger.begin_check"
        | "rotator.ledger.checked"
        | "rotator.ledger.overtake" => vec![Reconcile],
        "rotator.login.password" => vec![Password],
        "rotator.login.client" => vec![Client],
        "rotator.login.password_and_client" => vec![Combined],
        "rotator.login.public_client" => vec![Public],
        "rotator.login.revoke" => vec![Client, Combined],
        "coordinator.rotator.prove" => vec![Password, Client, Combined],
        // the answer of the last call is written with the end of the rotation
        "rotator.ledger.committed" => vec![Combined],
        "rotator.ledger.attempt_failed" => vec![Refused],
        "rotator.ledger.lied" | "rotator.ledger.proof_failed" => vec![Lied],
        "rotator.issuer.knows" | "rotator.ledger.give_up" => vec![KeepUnknown],
        "rotator.ledger.resume_issuer" => vec![Resume],
        "rotator.ledger.abandon" | "coordinator.rotator.abandon" => vec![Abandoned],
        "rotator.ledger.begin_overlap" => vec![OtherMachine],
        "coordinator.store.take" => Way::ROTATIONS.into_iter().chain([Restored]).collect(),
        "rotator.distributor-keys.list" | "registry-sync.source.changed_after" => vec![Anybody],
        "rotator.ledger.deliver" | "rotator.ledger.retired" | "coordinator.rotator.create" => {
            vec![Password, Client, Combined, Public]
        }
        call if call.starts_with("rotator.") || call.starts_with("coordinator.rotator.") => {
            vec![Password, Client, Combined]
        }
        "distributor.rotator-keys.list"
        | "coordinator.catalog.list"
        | "coordinator.catalog.watch"
        | "coordinator.store.reclaim"
        | "registry-sync.catalog.adopt" => vec![Start],
        "coordinator.identities.ensure" => vec![First],
        "coordinator.identities.disable" => vec![Disable],
        "coordinator.identities.restore" => vec![Enable],
        "coordinator.identities.adopt" => vec![Adopted],
        "coordinator.identities.delete" => vec![Delete],
        "coordinator.identities.permit" | "coordinator.distributor.tombstone" => vec![Tombstone, Delete],
        "coordinator.store.take_in" => vec![Facts],
        "coordinator.store.report" => vec![Report],
        "coordinator.store.pause_issuer" => vec![RateLimited],
        "coordinator.store.set_paused" => vec![Pause],
        "coordinator.store.set_all_paused" => vec![PauseAll],
        "coordinator.store.edit" | "coordinator.audit.announce" | "coordinator.audit.conclude" => {
            vec![Password]
        }
        "distributor.pin.keep" => vec![First],
        "distributor.tombstones.begin"
        | "distributor.catalog.overwritten"
        | "identity-provisioner.state.permit"
        | "registry-sync.catalog.record_tombstones" => vec![Tombstone],
        "registry-sync.source.list" | "registry-sync.catalog.remember_source" => vec![Sync],
        "registry-sync.source.read" => vec![Lookup],
        "registry-sync.catalog.apply" => vec![Facts],
        "registry-sync.catalog.enter" | "registry-sync.audit.announce" | "registry-sync.audit.conclude" => {
            vec![Settings]
        }
        "registry-sync.catalog.change" => vec![Settings, First],
        "registry-sync.catalog.decide" => vec![Decision],
        "registry-sync.catalog.accept" | "identity-provisioner.state.accept" => vec![Release],
        "registry-sync.catalog.identity_missing"
        | "identity-provisioner.catalog.report_missing"
        | "identity-provisioner.state.vanish" => vec![Vanished],
        "registry-sync.catalog.record_identity"
        | "identity-provisioner.catalog.record_identity"
        | "identity-provisioner.issuer.exists" => vec![First],
        "identity-provisioner.issuer.list" | "identity-provisioner.catalog.applications" => vec![Look],
        "identity-provisioner.issuer.delete" => vec![Delete],
        "identity-provisioner.issuer.put"
        | "identity-provisioner.state.intend"
        | "identity-provisioner.state.apply" => vec![First, Disable, Enable],
        call if call.starts_with("identity-provisioner.strays.") => vec![Orphan],
        call if call.starts_with("identity-provisioner.") => vec![First, Disable],
        // delivering is the same for all of them; a public client is no rotation of a secret
        call if call.starts_with("distributor.") => vec![Password, Public],
        _ => Way::ROTATIONS.to_vec(),
    }
}

/// What differs where versions end by a call of their own, or when the next one is set.
fn at_glewlwyd(call: &str) -> Vec<Way> {
    use Way::{Client, EndRefused, MadeNothing, OverBudget, Password, Reconcile};
    match call {
        "rotator.issuer.create"
        | "rotator.issuer.end"
        | "rotator.ledger.begin_retire"
        | "rotator.login.password" => vec![Password],
        "rotator.issuer.set" | "rotator.ledger.first_write" | "rotator.ledger.value_set" => vec![Client],
        "rotator.login.client" => vec![Client],
        "rotator.ledger.begin_create"
        | "rotator.ledger.store_made"
        | "rotator.ledger.deliver"
        | "rotator.ledger.retired"
        | "rotator.ledger.write_fenced"
        | "rotator.audit.announce"
        | "rotator.audit.conclude"
        | "coordinator.rotator.create"
        | "coordinator.rotator.accept_receipt"
        | "coordinator.rotator.retire"
        | "coordinator.rotator.prove"
        | "coordinator.distributor.deliver"
        | "coordinator.store.take"
        | "coordinator.store.commit"
        | "distributor.store.put_object"
        | "distributor.attempts.begin"
        | "distributor.attempts.answer" => vec![Password, Client],
        "rotator.issuer.alive" => vec![Reconcile],
        "rotator.ledger.made_nothing" => vec![MadeNothing],
        "rotator.ledger.end_failed" => vec![EndRefused],
        "identity-provisioner.state.wait" => vec![OverBudget],
        _ => vec![],
    }
}
