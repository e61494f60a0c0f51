//! # Purpose
//! The one way in which a service keeps state: SQLite on one machine, PostgreSQL on many, behind one small set
//! of types, so that a store is written once and its contract suite runs on both.
//!
//! # Permission
//! None of its own. On PostgreSQL a service connects with its own role and sees its own schema; the grants stand
//! in its `permissions/postgres.sql`.
//!
//! # Never
//! - answers before a write is durable (`synchronous = FULL`): `contract_a_write_is_readable_after_reopening`
//! - commits half of a write: `contract_a_failed_write_leaves_nothing`
//! - commits after a statement failed, even if the caller swallowed the error:
//!   `contract_a_swallowed_error_still_rolls_back`
//! - loses an update between concurrent writers: `contract_concurrent_increments_are_all_counted`,
//!   `contract_concurrent_increments_on_rows_are_all_counted`
//! - opens a database that a newer program wrote: `contract_a_newer_database_is_refused`
//! - opens a database whose migrations differ from the program's: `contract_a_changed_migration_is_refused`
//! - puts the value of an argument into an error: `contract_errors_never_contain_argument_values`
//! - leaves a database file readable for others: `a_sqlite_file_is_readable_by_its_owner_alone`
//! - writes through the read pool: `contract_the_read_pool_cannot_write`
//! - works on a promoted standby or a restored backup before that was accepted:
//!   `contract_another_origin_is_quarantined_until_it_is_accepted`
//! - reaches a shipped binary with the engine of a simulation: `no_shipped_binary_has_the_simulated_engine`
//!
//! # Shape
//! [`Database`] owns a pool of one writer and a pool of readers. [`Value`] goes in, [`Row`] comes out.
//! [`Database::write`] runs a repeatable closure in one serializable transaction. [`Engine`] is
//! what both databases implement. [`Error`] says whether the
//! store is unavailable, the write conflicts, or the contents are wrong.
//!
//! # Decisions
//! - *Rows are decoded at once*, into engine-neutral values: a store cannot come to depend on one engine's types.
//! - *SQLite has one writer*, taken by `BEGIN IMMEDIATE`: a lock upgrade in the middle of a transaction is the one
//!   `SQLITE_BUSY` that no timeout cures.
//! - *PostgreSQL writes are SERIALIZABLE* and repeated when the server asks for it: the same guarantee as a single
//!   writer, so that a store's logic needs no second thought. `FOR UPDATE` is therefore never needed.
//! - *A write that changes the row it decides by may ask for less* ([`Database::write_on_rows`], REPEATABLE READ): the
//!   server guards index pages, not keys, so that sixty applications whose rows share a page are in each other's way; one
//!   write of five was repeated. Leases need the row and nothing else.
//! - *A failed statement ends its transaction* on both engines. PostgreSQL does so anyway, and turns the commit
//!   silently into a rollback; here it is an error.
//! - *No driver error is a `source`*: its text may quote a value. What is kept is the code and the constraint.
//! - *The password is not in the URL*: PostgreSQL reads `PGPASSFILE`, or authenticates by certificate.
//! - *The engine is a port* ([`Engine`]): a simulation brings one that lives in memory on the caller's thread, since the
//!   driver of the shipped SQLite hands every statement to another thread, in an order that no seed repeats. This crate
//!   knows none but the two that are shipped, and has no feature that could change that.
//! - *A database knows where it was written* (`mint_origins`): PostgreSQL's system identifier and timeline, compared at
//!   each new connection. A promotion that lost nothing is quarantined too, because nobody can tell from here. SQLite has
//!   nothing to compare: a file that was put back looks like the file that was there.
//! - *`sqlite://` is followed by the path as it is*, without percent-decoding or parameters.

mod database;
mod engine;
mod error;
mod migration;
mod origin;
mod row;
mod transaction;
mod value;

pub use database::Database;
pub use engine::{Engine, Write};
pub use error::{Classified, Error};
pub use migration::Migration;
pub use origin::{Migrate, Origin};
pub use row::Row;
pub use transaction::Transaction;
pub use value::Value;
