//! # Purpose
//! The one adapter through which a service holds a port, so that there is a *fault point* before and after every outside
//! call and every durable write, and none that nobody listed.
//!
//! # Permission
//! None. Without the feature `fault-points` this crate does nothing at all: [`Port`] is the object it was made of.
//!
//! # Never
//! - lets a call pass without its two points: `every_call_passes_its_two_points_in_order`
//! - has a point that its list lacks: `a_port_lists_every_method_that_is_no_read`,
//!   `a_store_lists_every_method_that_is_no_read`
//! - kills for another application than the armed one: `a_point_fires_for_its_application_and_no_other`
//! - fires twice what was armed once: `what_fired_once_does_not_fire_again`
//! - acts in a shipped binary: `no_shipped_binary_has_fault_points`
//!
//! # Shape
//! [`port`] on a trait makes `dyn Trait` [`Ported`]: an adapter whose methods call [`Call::before`], the real method and
//! [`Call::after`]. [`points`] on an inherent impl of a store does the same inside its methods. [`Points`] lists the
//! names, `<service>.<port>.<method>.before` and `….after`. What a point does is said by a [`Probe`]: `arm` (a file that
//! a test writes; the process kills itself) or a simulation's own.
//!
//! # Decisions
//! - *A method is a point unless it is marked `#[read]`*: forgetting the mark costs a point, never hides one. Only reads
//!   of the service's own database are marked; a read at somebody else's is an outside call.
//! - *A call concerns an application if the `Debug` text of its arguments has the application's id*, or a UUID that stood
//!   beside it before (its rotation). Every argument already has a text without secrets, and no list of types can be
//!   incomplete.
//! - *The adapter is wrapped inside [`Port::new`]* and reached through `Deref`, so whoever calls a port writes nothing
//!   new; a test reads the sources and refuses a `dyn` port outside a [`Port`].

mod call;
mod points;
mod port;
#[cfg(feature = "fault-points")]
mod probe;
pub mod said;

#[cfg(feature = "fault-points")]
pub mod arm;

pub use async_trait::async_trait;
pub use mint_port_macros::{points, port};

pub use call::{Call, Side, Site};
pub use points::Points;
pub use port::{Port, Ported};
#[cfg(feature = "fault-points")]
pub use probe::{Probe, Reached, Verdict, install};

/// Whether points act in this build.
pub const ACTIVE: bool = cfg!(feature = "fault-points");
