//! One world at a time on a data directory, and nothing left of the last one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal};

use super::layout::{DataDirectory, append_private};
use crate::Error;

/// Held as long as the world runs; the kernel releases it whatever ends the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says that somebody else has it.
    pub(crate) fn take(directory: &DataDirectory) -> Result<Self, Error> {
        let path = directory.run().join("lock");
        let file = append_private(&path).map_err(Error::io(format!("open {}", path.display())))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy { data: directory.root().to_owned() }),
            Err(error) => Err(Error::Io { what: format!("lock {}", path.display()), source: error.into() }),
        }
    }
}

/// How long children of a killed parent may take to end by themselves: their drain, and a little.
const PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(50);

/// Children of a `mint up` that was killed end by themselves, but not at once; until then they hold ports and files.
pub(crate) async fn await_orphans(directory: &DataDirectory) -> Result<(), Error> {
    let orphans = orphans(directory)?;
    let mut waited = Duration::ZERO;
    while orphans.iter().any(Orphan::is_alive) && waited < PATIENCE {
        tokio::time::sleep(POLL).await;
        waited += POLL;
    }
    for orphan in &orphans {
        if orphan.is_alive() {
            let _ = rustix::process::kill_process(orphan.pid, Signal::KILL);
        }
        super::layout::remove(&orphan.file)?;
    }
    Ok(())
}

/// A process that a pid file names.
#[derive(Debug)]
struct Orphan {
    pid: Pid,
    file: PathBuf,
    data: PathBuf,
}

impl Orphan {
    /// Whether the process lives and is one of this world: numbers of processes are used again, so its command line
    /// must name this data directory.
    fn is_alive(&self) -> bool {
        let command =
            std::fs::read(format!("/proc/{}/cmdline", self.pid.as_raw_nonzero())).unwrap_or_default();
        names_path(&command, &self.data)
    }
}

fn names_path(command: &[u8], data: &Path) -> bool {
    command.split(|byte| *byte == 0).any(|argument| {
        std::str::from_utf8(argument).is_ok_and(|argument| Path::new(argument).starts_with(data))
    })
}

fn orphans(directory: &DataDirectory) -> Result<Vec<Orphan>, Error> {
    let run = directory.run();
    let entries = std::fs::read_dir(&run).map_err(Error::io(format!("read {}", run.display())))?;
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "pid"));
    Ok(files
        .filter_map(|file| {
            let number = std::fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            Some(Orphan { pid: Pid::from_raw(number)?, file, data: directory.root().to_owned() })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_on_the_same_data_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        let first = Lock::take(&directory).unwrap();
        assert_eq!(Lock::take(&directory).unwrap_err().exit_code(), 75);
        drop(first);
        Lock::take(&directory).unwrap();
    }

    #[tokio::test]
    async fn a_stale_pid_file_of_a_stranger_is_removed_and_the_stranger_lives() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        std::fs::write(directory.pid("rotator"), std::process::id().to_string()).unwrap();
        await_orphans(&directory).await.unwrap();
        assert!(!directory.pid("rotator").exists());
    }

    #[test]
    fn a_child_is_known_by_a_path_below_the_data() {
        let command = b"/x/mint-rotator\0--config\0/data/run/rotator.toml\0";
        assert!(names_path(command, Path::new("/data")));
        assert!(!names_path(command, Path::new("/dat")));
        assert!(!names_path(command, Path::new("/x/other")));
    }
}
