//! The protocol of DESIGN section 3, explored exhaustively within bounds.
//!
//! # Purpose
//! Every order in which two coordinators, the rotator and the distributor can work, die, lose messages and leases is
//! walked through, and after every step the invariants are asked (`mint_invariants`, the same functions that the crash
//! harness, the simulation and the rotator itself ask).
//!
//! # Permission
//! None: it is a test program, it calls nobody.
//!
//! # Never
//! - decides itself: what a service does next comes from its own `plan` (`mint_coordinator::decide`, `mint_saga::plan`
//!   and `apply`, `mint_rotator::plan`, `mint_distributor::plan`, `mint_identity_provisioner::plan`):
//!   `every_configuration_holds`.
//! - passes what is broken: `every_mutation_of_the_model_is_caught` (feature `mutations`).
//! - reaches a shipped program: `no_shipped_program_can_be_mutated`.
//!
//! # Shape
//! `bounds` (configurations) · `world` (state, actions) · `coordinator`, `rotator`, `distributor` (the services' steps:
//! plan, then one durable write or outside call) over `ledger`, `stores`, `issuer` (what their databases and the outside
//! do) · `faults` · `judge` (observations) · `explore` (stateright) · `fleet` (I6, by the provisioner's plan) · `report`.
//!
//! # Decisions
//! - *Rows are the real state types*, and each durable write is mirrored by one function of `ledger` and `stores`; the
//!   SQL itself is proved by the stores' contract tests. What is checked here is the order and the decisions.
//! - *Time passes only when nobody can act*, or when a lease is lost: delays are faults, so they are counted.
//! - *Steps are counted in the state* between two rests. So no path is endless, and "converges" is: every state in which
//!   nothing can move without a fault rests well.
//! - *Past instants are forgotten at a rest*, where no rule can compare them any more.
//! - *The coordinators are alike*: the first that is free takes the lease.

pub mod bounds;
pub mod calls;
mod coordinator;
mod desk;
mod distributor;
pub mod explore;
mod faults;
pub mod fleet;
pub mod issuer;
pub mod judge;
pub mod ledger;
pub mod payload;
pub mod report;
mod rotator;
pub mod stores;
pub mod world;

pub use bounds::{Bounds, configurations, small_configurations};
pub use explore::{Explored, explore};
pub use world::{Mint, World};
