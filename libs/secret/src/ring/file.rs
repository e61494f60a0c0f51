//! One file a key: its name, its mode, its line.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::{Error, KeyId, KeyStage, KeyUse};

/// No key file is longer: a base64 line of 32 bytes has 44 characters.
const LONGEST_FILE: u64 = 128;

/// What a key file's name says.
pub(super) struct KeyName {
    pub(super) key_use: KeyUse,
    /// None only for keys that were just made.
    pub(super) id: Option<KeyId>,
    pub(super) stage: KeyStage,
}

impl KeyName {
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".key")?;
        let (stem, stage) = match stem.rsplit_once('.') {
            None => (stem, KeyStage::Active),
            Some((stem, "next")) => (stem, KeyStage::Next),
            Some((stem, "retiring")) => (stem, KeyStage::Retiring),
            Some(_) => return None,
        };
        let (key_use, id) = stem.rsplit_once('-')?;
        Some(Self { key_use: KeyUse::from_name(key_use)?, id: Some(id.parse().ok()?), stage })
    }

    pub(super) fn file_name(&self) -> String {
        let stage = match self.stage {
            KeyStage::Active => "",
            KeyStage::Next => ".next",
            KeyStage::Retiring => ".retiring",
        };
        let id = self.id.as_ref().map_or("", KeyId::as_str);
        format!("{}-{id}{stage}.key", self.key_use)
    }
}

pub(super) fn refuse(path: &Path, problem: String) -> Error {
    Error::KeyFile { path: path.to_owned(), problem }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |error| refuse(path, error.to_string())
}

pub(super) fn make_directory(directory: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))
}

/// The key files of a directory, in the order of their names so that loading is repeatable.
pub(super) fn key_files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    let file = File::open(path).map_err(failed(path))?;
    let mode = file.metadata().map_err(failed(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(path, format!("mode {mode:04o} lets others read or change it: set it to 0600")));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST_FILE).unwrap_or(128)));
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(failed(path))?;
    let mut seed = Zeroizing::new([0_u8; 32]);
    match STANDARD.decode_slice(text.trim_end(), seed.as_mut()) {
        Ok(32) => Ok(seed),
        Ok(_) | Err(_) => Err(refuse(path, "it must hold 32 bytes in base64 on one line".to_owned())),
    }
}

/// Writes beside, then renames: a crash leaves no half key under the final name.
pub(super) fn write_key_file(directory: &Path, name: &str, seed: &[u8; 32]) -> Result<(), Error> {
    let path = directory.join(name);
    let beside = directory.join(format!(".{name}.tmp"));
    let mut text = Zeroizing::new([b'\n'; 45]);
    STANDARD.encode_slice(seed, &mut text[..44]).map_err(|error| refuse(&path, error.to_string()))?;
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&beside)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed(&beside))?;
    file.write_all(text.as_ref()).and_then(|()| file.sync_all()).map_err(failed(&beside))?;
    fs::rename(&beside, &path).map_err(failed(&path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))
}
