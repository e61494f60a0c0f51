//! The coordinator driven as a whole: its real logic and store, an in-memory constellation around it, a clock that
//! is moved by hand; and its real binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is not there fails the test")]

#[path = "it/adoption.rs"]
mod adoption;
#[path = "it/binary.rs"]
mod binary;
#[path = "it/catalog.rs"]
mod catalog;
#[path = "it/contract.rs"]
mod contract;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/drift.rs"]
mod drift;
#[path = "it/full_disk.rs"]
mod full_disk;
#[path = "it/leases.rs"]
mod leases;
#[path = "it/life.rs"]
mod life;
#[path = "it/operators.rs"]
mod operators;
#[path = "it/removal.rs"]
mod removal;
#[path = "it/reservations.rs"]
mod reservations;
#[path = "it/revocations.rs"]
mod revocations;
#[path = "it/settings.rs"]
mod settings;
#[path = "it/stage.rs"]
mod stage;
#[path = "it/troubles.rs"]
mod troubles;
#[path = "it/world.rs"]
mod world;
