//! The log: its contract on every database, its group commit, and the real binary.

mod binary;
mod contract;
mod group_commit;
mod stage;
