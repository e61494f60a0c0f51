//! The crash harness: every service, killed before and after everything that it does outside or writes down.
//!
//! # Purpose
//! Show that the protocol holds its invariants under a crash at every point, on the real processes: `cargo test --locked
//! --workspace --features mint-crash/fault-points --test world`, after `cargo build --locked --workspace --bins`. Over the
//! whole workspace, because then all that is not our own is built already: with `-p` it is built again for other features.
//!
//! # Never
//! - leaves a fault point out: the points are the ports' own lists, and a case that does not fire fails
//!   (`every_service_lists_all_its_points`, `a_port_is_held_behind_its_points`).
//! - ships: its programs have names of their own and need a feature (`no_shipped_binary_has_fault_points`).
//!
//! # Shape
//! This library is the list of points. `crash-service` is every service, by the name it is called by, restarted by
//! itself when it was killed. `world/` is the harness: `cases` (which point, on which way, on which application),
//! `ways` (how that way is walked), `slate` (what must be true of an application afterwards), `watch` (applications log
//! in all the while), `history` (what audit log and sandbox say of the whole run). `sources/` reads the source.
//!
//! # Decisions
//! - *One world for each issuer*: the two drivers end versions in all the ways that there are, and a rotator has one.
//! - *Operators release what the walks take away*, and the budget is as small as it can be: what is taken beyond that fails.
//! - *One program for all services*, linked under their names into a directory beside a copy of `mint`: one link instead
//!   of six, and nothing is left where shipped programs are.
//! - *It restarts itself*: the supervisor of `mint up` makes longer and longer pauses for a program that dies often, and
//!   here each dies a hundred times. `mint up` sees it only when it is told to stop.
//! - *Everything runs at once*: a kill hits whatever the process was doing for others. That is more than the points ask.

use mint_port::Points;
use mint_types::ServiceName;

/// The points of a service.
pub fn points_of(service: ServiceName) -> &'static [Points] {
    match service {
        ServiceName::Audit => mint_audit::FAULT_POINTS,
        ServiceName::Coordinator => mint_coordinator::FAULT_POINTS,
        ServiceName::Distributor => mint_distributor::FAULT_POINTS,
        ServiceName::IdentityProvisioner => mint_identity_provisioner::FAULT_POINTS,
        ServiceName::RegistrySync => mint_registry_sync::FAULT_POINTS,
        ServiceName::Rotator => mint_rotator::FAULT_POINTS,
        // keeps nothing, so nothing of it can be half done
        ServiceName::Broker => &[],
    }
}

/// The names of all points of all services.
pub fn all_points() -> Vec<(ServiceName, String)> {
    let named = |service: ServiceName| {
        points_of(service).iter().flat_map(move |points| points.names(service.as_str()))
    };
    ServiceName::ALL.into_iter().flat_map(|service| named(service).map(move |name| (service, name))).collect()
}

/// Where a world keeps what arms its points.
pub const FAULTS: &str = "faults";
