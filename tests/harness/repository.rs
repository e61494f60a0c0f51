//! Where things are.

use std::path::PathBuf;

/// The repository's root.
///
/// # Panics
/// If the package was moved out of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// The directory of the executables that `cargo test` or `cargo build` made: beside the running test's own.
pub fn executables() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    Some(test.parent()?.parent()?.to_owned())
}
