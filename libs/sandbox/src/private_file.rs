//! Files for one pair of eyes: mode 0600, complete or absent.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// Writes a file by rename, 0600, in directories that are 0700 where they are new.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::other("a file needs a directory"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = directory.join(name);
    if beside.exists() {
        fs::remove_file(&beside)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// What the file holds; if there is none, what `make` makes, which is written first.
///
/// Tokens survive a restart of this world this way: their holders do not notice it.
pub(crate) fn keep_or_make(
    path: &Path,
    make: impl FnOnce() -> Zeroizing<String>,
) -> io::Result<Zeroizing<String>> {
    match fs::read_to_string(path) {
        Ok(kept) if !kept.is_empty() => Ok(Zeroizing::new(kept)),
        Ok(_) => made(path, make()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => made(path, make()),
        Err(error) => Err(error),
    }
}

fn made(path: &Path, contents: Zeroizing<String>) -> io::Result<Zeroizing<String>> {
    write(path, contents.as_bytes())?;
    Ok(contents)
}
