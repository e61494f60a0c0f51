//! The integration tests of the whole workspace, one binary.
//!
//! - `workspace`: the tree, the dependency rule, who links what (`cargo metadata`).
//! - `contracts`: protos and permission files agree, method by method.
//! - `golden`: permission matrix, call graph and plaintext carriers as reviewed.

mod contracts;
mod golden;
mod workspace;
