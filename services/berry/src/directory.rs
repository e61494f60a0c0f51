//! The local directory: links through `..data` to a directory of files that is named once and never changed.
//!
//! ```text
//! user.json   -> ..data/user.json
//! client.json -> ..data/client.json
//! ..data      -> ..1764000000000000-9f2c…        switched by rename(2)
//! ..1764000000000000-9f2c…/{user.json,client.json}
//! ```

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mint_secret::Zeroizing;
use mint_types::{Clock, Entropy};

use crate::config::Access;
use crate::error::Error;

const DATA: &str = "..data";
const DATA_NEXT: &str = "..data.tmp";

/// Tells whether a file is still the one that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The local directory.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    access: Access,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Directory {
    /// Makes the directory where it is missing.
    pub fn open(
        root: &Path,
        access: &Access,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let directory = Self { root: root.to_owned(), access: access.clone(), clock, entropy };
        if !root.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(directory.directory_mode()).create(root);
            made.map_err(|source| failed(root, "making it", source))?;
            directory.give_away(root)?;
        }
        Ok(directory)
    }

    /// What is there under a name, if anything.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, "reading it", source)),
        }
    }

    /// Which file is there under a name, if any.
    pub fn stamp(&self, name: &str) -> Option<FileStamp> {
        let metadata = fs::metadata(self.root.join(name)).ok().filter(fs::Metadata::is_file)?;
        Some(FileStamp {
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Puts exactly these files in place of what was there, all at one instant.
    pub fn switch(&self, files: &[(&'static str, &[u8])]) -> Result<(), Error> {
        self.adopt(files.iter().map(|(name, _)| *name))?;
        self.put(files)
    }

    /// Removes what a crash or an earlier switch left; call it when readers of the previous files are done.
    pub fn sweep(&self) -> Result<(), Error> {
        let current = fs::read_link(self.root.join(DATA)).ok();
        let entries = fs::read_dir(&self.root).map_err(|source| failed(&self.root, "listing it", source))?;
        for entry in entries {
            let entry = entry.map_err(|source| failed(&self.root, "listing it", source))?;
            let name = entry.file_name();
            if is_generation(&name) && current.as_deref() != Some(Path::new(&name)) {
                let gone = fs::remove_dir_all(entry.path());
                gone.map_err(|source| failed(&entry.path(), "removing it", source))?;
            }
        }
        Ok(())
    }

    /// Plain files of an older berry are moved behind the links first, with their content, so that the switch that
    /// follows is one rename as well.
    fn adopt<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<(), Error> {
        let mut plain = Vec::new();
        for name in names {
            let is_plain = fs::symlink_metadata(self.root.join(name)).is_ok_and(|found| found.is_file());
            if let Some(bytes) = is_plain.then(|| self.read(name)).transpose()?.flatten() {
                plain.push((name, bytes));
            }
        }
        if plain.is_empty() {
            return Ok(());
        }
        let files: Vec<(&str, &[u8])> = plain.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        self.put(&files)
    }

    fn put(&self, files: &[(&str, &[u8])]) -> Result<(), Error> {
        let name = self.generation();
        let directory = self.root.join(&name);
        let made = DirBuilder::new().mode(self.directory_mode()).create(&directory);
        made.map_err(|source| failed(&directory, "making it", source))?;
        for (file, bytes) in files {
            self.write(&directory.join(file), bytes)?;
        }
        self.permit(&directory, self.directory_mode())?;
        sync(&directory)?;
        self.link(Path::new(&name), DATA_NEXT, DATA)?;
        for (file, _) in files {
            let target = Path::new(DATA).join(file);
            if fs::read_link(self.root.join(file)).ok().as_deref() != Some(target.as_path()) {
                self.link(&target, &format!(".{file}.tmp"), file)?;
            }
        }
        sync(&self.root)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|source| failed(path, "writing it", source))?;
        self.permit(path, self.access.mode)
    }

    /// A link under a temporary name, renamed over the final one.
    fn link(&self, target: &Path, temporary: &str, name: &str) -> Result<(), Error> {
        let (temporary, path) = (self.root.join(temporary), self.root.join(name));
        match fs::remove_file(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&temporary, "removing it", source));
            }
            Ok(()) | Err(_) => {}
        }
        symlink(target, &temporary).map_err(|source| failed(&temporary, "linking it", source))?;
        fs::rename(&temporary, &path).map_err(|source| failed(&path, "switching it", source))
    }

    /// The owner first: after that, the mode may no longer be ours to widen.
    fn permit(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|source| failed(path, "setting its mode", source))?;
        self.give_away(path)
    }

    fn give_away(&self, path: &Path) -> Result<(), Error> {
        if self.access.uid.is_none() && self.access.gid.is_none() {
            return Ok(());
        }
        chown(path, self.access.uid, self.access.gid)
            .map_err(|source| failed(path, "giving it to its owner", source))
    }

    /// Whoever may read a file may enter its directory.
    fn directory_mode(&self) -> u32 {
        0o700 | self.access.mode | ((self.access.mode & 0o444) >> 2)
    }

    fn generation(&self) -> String {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        format!("..{}-{:016x}", self.clock.now().unix_micros(), u64::from_le_bytes(random))
    }
}

fn is_generation(name: &OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(".."))
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn sync(directory: &Path) -> Result<(), Error> {
    let synced = File::open(directory).and_then(|handle| handle.sync_all());
    synced.map_err(|source| failed(directory, "making it durable", source))
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> Error {
    Error::Directory { path: path.to_owned(), action, source }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
