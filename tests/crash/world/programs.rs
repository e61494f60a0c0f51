//! A directory with a world's programs under their names, the services among them as ones that die at their points.

use std::path::{Path, PathBuf};

use mint_types::ServiceName;

/// Puts the programs into a directory.
pub(crate) fn gather(directory: &Path) -> PathBuf {
    std::fs::create_dir_all(directory).unwrap();
    // `mint` looks beside itself, past symbolic links: it has to be there in person
    for name in ["mint", "mint-sandbox", "mint-broker"] {
        let built = mint_tests::world::executable(name);
        std::fs::copy(&built, directory.join(name))
            .unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    }
    for service in ServiceName::ALL {
        let place = directory.join(format!("mint-{service}"));
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_crash-service"), place).unwrap();
    }
    directory.to_owned()
}
