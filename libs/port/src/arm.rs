//! A probe that a test arms by a file, in a process of its own: it writes down that a point fired, and then the process
//! kills itself.
//!
//! `DIRECTORY/<service>` has one line a shot, `<point> <application> <label>`: the first call that reaches the point and
//! concerns the application fires it, once; `-` as application means any call. `DIRECTORY/<service>.fired` gets the line
//! when it fires, durably, before the process dies.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Probe, Reached, Verdict};

/// Says of a binary that its points act: a shipped one does not contain it.
pub const MARK: &str = "mint: this binary has fault points and belongs to a test";

/// The word for "whatever it concerns".
const ANY: &str = "-";

/// One order to die.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shot {
    /// The point's name.
    pub point: String,
    /// Whose call; `-` for anybody's.
    pub application: String,
    /// For people and for those who armed it.
    pub label: String,
}

impl Shot {
    /// From a line; none if it is not one.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().map(ToOwned::to_owned);
        let shot = Self { point: words.next()?, application: words.next()?, label: words.next()? };
        words.next().is_none().then_some(shot)
    }
}

impl std::fmt::Display for Shot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} {}", self.point, self.application, self.label)
    }
}

/// How a process ends here.
pub type Die = dyn Fn() + Send + Sync;

/// The probe.
pub struct Armed {
    orders: PathBuf,
    fired: PathBuf,
    state: Mutex<State>,
    die: Box<Die>,
}

#[derive(Debug, Default)]
struct State {
    /// The file as it was when it was read: inode, size, and when it was written.
    read: Option<(u64, u64, i64, i64)>,
    shots: Vec<Shot>,
    /// Which UUID stood beside which application.
    beside: BTreeSet<(String, String)>,
}

impl Debug for Armed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Armed").field("orders", &self.orders).finish_non_exhaustive()
    }
}

/// Arms this process by the files of a directory.
pub fn install(directory: &Path, service: &str) {
    crate::install(Some(Arc::new(Armed::new(directory, service, Box::new(kill_this_process)))));
}

fn kill_this_process() {
    // nothing to do if the kernel refuses: the test sees a process that did not die
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

impl Armed {
    /// A probe that ends the process by `die`.
    pub fn new(directory: &Path, service: &str, die: Box<Die>) -> Self {
        Self {
            orders: directory.join(service),
            fired: directory.join(format!("{service}.fired")),
            state: Mutex::default(),
            die,
        }
    }

    /// Reads the orders again if the file changed; what fired is no order any more.
    fn refresh(&self, state: &mut State) {
        let version = std::fs::metadata(&self.orders)
            .ok()
            .map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec()));
        if state.read == version {
            return;
        }
        let lines = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
        let fired: BTreeSet<Shot> = lines(&self.fired).lines().filter_map(Shot::parse).collect();
        let orders = lines(&self.orders);
        state.shots = orders.lines().filter_map(Shot::parse).filter(|shot| !fired.contains(shot)).collect();
        state.read = version;
    }

    /// The shot that this point fires.
    fn hit(state: &mut State, point: &str, text: &str) -> Option<usize> {
        let ids = uuids(text);
        let State { shots, beside, .. } = state;
        let concerns = |application: &str, beside: &BTreeSet<(String, String)>| {
            application == ANY
                || mentions(text, application)
                || ids.iter().any(|id| beside.contains(&(application.to_owned(), (*id).to_owned())))
        };
        let hit = shots.iter().position(|shot| shot.point == point && concerns(&shot.application, beside));
        for shot in shots.iter().filter(|shot| shot.application != ANY && mentions(text, &shot.application)) {
            beside.extend(ids.iter().map(|id| (shot.application.clone(), (*id).to_owned())));
        }
        hit
    }

    fn fire(&self, shot: &Shot) -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.fired)?;
        writeln!(file, "{shot}")?;
        file.sync_all()
    }
}

impl Probe for Armed {
    fn reached(&self, point: &Reached<'_>) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut state);
        if state.shots.is_empty() {
            return Verdict::GoOn;
        }
        let Some(index) = Self::hit(&mut state, &point.name(), point.text) else {
            return Verdict::GoOn;
        };
        let shot = state.shots.remove(index);
        // a shot that nobody can be told of is not fired: the test sees one that is missing
        if self.fire(&shot).is_ok() {
            (self.die)();
        }
        Verdict::GoOn
    }
}

/// Whether a text has this id: whatever stands before it (a user's name has a prefix), nothing of an id after it.
fn mentions(text: &str, application: &str) -> bool {
    text.match_indices(application).any(|(at, _)| {
        let rest = text.get(at + application.len()..).unwrap_or_default();
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric())
    })
}

/// The UUIDs of a text.
fn uuids(text: &str) -> Vec<&str> {
    let is_uuid = |word: &&str| word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
    text.split(|letter: char| !(letter.is_ascii_hexdigit() || letter == '-')).filter(is_uuid).collect()
}
