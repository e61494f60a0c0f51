//! Seeded worlds in which the real services rotate credentials while everything that can go wrong does.
//!
//! # Purpose
//! One process, one thread a world, virtual time: the real logic of coordinator, rotator, distributor and
//! identity-provisioner, wired port to port, against an issuer, stores, a catalog and an audit log that lose answers, do
//! things late or twice, refuse, lie, and against processes that die at every call and every durable write.
//! Simulated applications log in with what they hold, before and after everything that could break them.
//!
//! # Never
//! - repeats a seed differently: `the_same_seed_tells_the_same_story`.
//! - forgets what it found: `every_seed_that_once_failed_passes`.
//! - calls a world good that looked at nothing: `a_world_rotates_and_its_applications_log_in`.
//! - lets a value that replaces another wait for its issuer: `a_value_that_replaces_the_other_is_set_in_time`.
//! - brings its disk into a shipped program: `no_shipped_binary_has_the_simulated_engine`.
//!
//! # Shape
//! `world` ([`run`]: populate, live, settle) · `scene` (all state outside of the services, one lock) with `outside`
//! (issuer, stores, consumers, catalog, log) and `clock` · `disk` (the services' databases, which outlive them) · `ports` (the services' ports into the scene, and the network
//! between them) · `services` (builds the real ones, and again after they died) · `faults` (what a call meets), `weather`
//! (what happens by itself), `owners` (who change their minds), `operators` (who have
//! versions ended at once, and the issuer compared), `hostile` (a fallen coordinator) · `settle` (the last look) · `shards` (many worlds on many
//! threads) · `tally` · `seed` (seeds that once failed) · `mutants` (with a rule of the real code switched off).
//!
//! # Decisions
//! - *A paused tokio clock is the virtual time*: every wait of the services is a timer, so the runtime jumps to the next.
//! - *Requests are the wire's messages, handed to the services' own `rpc`*: decoding and refusing are part of what is
//!   tested, sockets are not.
//! - *An instance of an application may have fetched at any time within the overlap*: so all that was readable within it
//!   is logged in with, which is every instance at once and needs no timer.
//! - *One world in three has Glewlwyd, the others the service-user API*: the two drivers between them end a version by an
//!   own call, by a commit with a grace or at once, and by setting the next value.
//! - *Where a value replaces another, an instance that is refused fetches again*. A window opens when a store has a value
//!   that its issuer does not know, and closes when the issuer and all stores have the same; logins refused within it are
//!   counted apart, the longest is told, and one that does not close breaks the world.
//! - *Many applications in a world, many rotations before its last look*: looking for what is due and coming to rest cost
//!   as much for one as for all.
//! - *Stores forget expired requests, the issuer old calls*, at the ends of the terms that DESIGN gives: what is later than
//!   allowed is no fault to survive.
//! - *Nobody sends an answered request twice behind TLS*: duplicates are of our own calls, whole, and later; and of those
//!   to the issuer only such as change nothing by being repeated.
//! - *No two calls are under way on one issuer object*, whichever processes make them, but for those of whoever has fallen:
//!   he asks beside the holder of the lease.
//! - *Each application has a period of its own*: in step, each death would strike all of them at once, and most of what is
//!   simulated would be repetitions. A process is back soon, and one time in eight later than its leases end.

mod clock;
mod disk;
mod faults;
mod hostile;
#[cfg(feature = "mutations")]
mod mutants;
mod operators;
mod outside;
mod owners;
mod ports;
mod rng;
mod scene;
mod seed;
mod services;
mod settle;
mod shards;
mod tally;
mod weather;
mod world;

pub use disk::{CommitProbe, Disk};
pub use faults::Fault;
#[cfg(feature = "mutations")]
pub use mutants::{Caught, run_mutated};
pub use outside::{Manner, Moment};
pub use rng::derived;
pub use seed::parse_seed;
pub use shards::{ROTATIONS_PER_WORLD, Shards, run_all};
pub use tally::Tally;
pub use world::{Outcome, Plan, run};
