//! The rotation of one credential as a saga: what it knows, what it does next, what an answer means.
//!
//! # Purpose
//! Everything about a rotation that can be decided without asking anybody: `plan` says the next step, `apply` says
//! what an answer makes of the state, `recover` says where a restart goes on. Two services and a model can share it.
//!
//! # Never
//! - plans Retire before the rotator accepted a receipt for this very version:
//!   `retire_is_never_planned_before_the_rotator_accepted_a_receipt`.
//! - gets from Create to Retire without Deliver: `no_path_leads_from_create_to_retire_without_deliver`.
//! - forgets a failure before the step that failed has succeeded: `attempts_never_decrease_while_failing`,
//!   `a_problem_stays_until_the_step_that_failed_succeeds`.
//! - gives a rotation up that may have been written, because nobody wants it any more:
//!   `a_rotation_that_may_have_been_written_is_not_abandoned`.
//! - lets two periods pass without a rotation: `never_two_periods_without_a_rotation`.
//! - waits with telling the issuer of a value that a store holds:
//!   `a_first_write_is_told_to_the_issuer_before_anything_else`
//! - waits for a time that was written under a clock that has been set back since:
//!   `what_was_written_under_a_clock_that_was_set_back_means_now`.
//! - repeats for ever what no repetition mends: `a_probe_that_opens_no_more_ends_the_rotation_with_a_problem`,
//!   `a_rotation_that_the_rotator_has_closed_gives_way_to_another_one`,
//!   `a_rotation_that_nobody_wants_ends_whatever_was_lost_on_the_way`.
//! - opens a second rotation of a credential: `a_second_rotation_is_refused`.
//! - lets a report shorten an overlap, or wait beyond the longest one: `retire_waits_for_laggards_after_the_overlap_only`,
//!   `nobody_is_waited_for_beyond_the_longest_overlap`.
//! - reads a clock, draws randomness, does IO: it depends on neither tokio nor the clocks (`pure_libraries_do_no_io`).
//!
//! # Shape
//! [`Credential`] is the durable state: what is current, and at most one [`Rotation`] with its [`Stage`].
//! `plan` ([`plan`], [`Step`], [`Facts`]) → the caller acts → `event` ([`Event`], [`apply`]). [`Failure`] and
//! [`Trouble`] turn refusals into problems. [`Roster`] is who reported which version, and says how long Retire waits. [`schedule`] and [`Backoff`] know time. [`Wish`] compares what is
//! delivered with what is wanted.
//!
//! # Decisions
//! - *Stages carry what makes them true*: only a stage with an [`Acceptance`] in it can plan Retire, so an order that is
//!   wrong cannot be written down, not even in a database row.
//! - *Receipt and acceptance are one write*, so a process that dies between the two forgets the receipt that the rotator
//!   holds. If nobody wants the version any more, the rotator refuses to give it up and says why, and the rotation goes on
//!   with Retire. Whoever lies about that gains a refused Retire: the rotator goes by the receipt that it verified itself.
//! - *Troubles are kept per node on the credential*, not on the rotation: giving a rotation up does not end what is
//!   wrong, the success of the same step does.
//! - *An envelope that was stored may have been delivered*: a crash hides an answer. `Written` starts as `Unknown`.
//! - *A rotation whose settings changed goes on with the same envelope*: destinations come from the catalog at each
//!   delivery, so a repaired bucket needs no new version.
//! - *An ended version that cannot be proved dead does not stop the next rotation*: the proof is given up when the
//!   next one is due, and the problem stays until a later proof succeeds. A lying issuer must not freeze a credential.
//! - *Version ids that were delivered are remembered* (the last few): a report that names another one is not one of ours.
//! - *A partial receipt is a receipt to whoever carries it*: the rotator tells the two apart by their signatures. Handing
//!   it over comes before the other stores, has its own trouble and backoff, and cannot be given up; afterwards the
//!   delivery of the same version goes on. A new version for every store that refuses would shut the others' readers out
//!   once more each time.
//! - *Abandon and Supersede are one call*: what was made stays alive at the issuer until the next Retire, which
//!   comes only after the next version was delivered to the same places.

mod adoption;
mod backoff;
mod credential;
mod event;
mod failure;
mod plan;
mod recovery;
pub mod schedule;
mod sealed;
mod trouble;
mod wish;

pub use adoption::{
    Holding, Instance, InstanceName, InvalidInstance, LONGEST_POLL, MOST_INSTANCES, Report, Roster,
    SHORTEST_POLL, Unheard,
};
pub use backoff::Backoff;
pub use credential::{
    Acceptance, Cause, Created, Credential, Current, FirstWrite, Node, Rotation, Stage, Written,
};
pub use event::{Event, Illegal, apply};
pub use failure::{Failure, reason};
pub use plan::{Facts, Step, plan};
pub use recovery::{Open, recover};
pub use sealed::Sealed;
pub use trouble::Trouble;
pub use wish::{Due, Wish};

#[cfg(test)]
mod tests;
