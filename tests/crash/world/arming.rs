//! Which points are armed now, and which have fired.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mint_port::arm::Shot;
use mint_types::ServiceName;

use crate::cases::Case;

/// The files of `DATA/faults`.
#[derive(Debug)]
pub(crate) struct Arming {
    directory: PathBuf,
    armed: Mutex<BTreeMap<ServiceName, BTreeSet<Shot>>>,
}

impl Arming {
    pub(crate) fn new(data: &Path) -> Self {
        let directory = data.join(mint_crash::FAULTS);
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory, armed: Mutex::default() }
    }

    /// The order that a case stands for.
    pub(crate) fn shot(case: &Case) -> Shot {
        let application =
            if case.way.is_for_an_application() { case.application.clone() } else { "-".to_owned() };
        Shot { point: case.point.clone(), application, label: format!("{:?}", case.way) }
    }

    pub(crate) fn arm(&self, case: &Case) {
        self.change(case.service, |shots| {
            shots.insert(Self::shot(case));
        });
    }

    pub(crate) fn disarm(&self, case: &Case) {
        self.change(case.service, |shots| {
            shots.remove(&Self::shot(case));
        });
    }

    fn change(&self, service: ServiceName, change: impl FnOnce(&mut BTreeSet<Shot>)) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let shots = armed.entry(service).or_default();
        change(shots);
        let text: String = shots.iter().map(|shot| format!("{shot}\n")).collect();
        // a reader sees the old orders or the new ones
        let next = self.directory.join(format!("{service}.next"));
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, self.directory.join(service.as_str())).unwrap();
    }

    /// Everything that fired in a service.
    pub(crate) fn fired(&self, service: ServiceName) -> BTreeSet<Shot> {
        let text =
            std::fs::read_to_string(self.directory.join(format!("{service}.fired"))).unwrap_or_default();
        text.lines().filter_map(Shot::parse).collect()
    }

    pub(crate) fn has_fired(&self, case: &Case) -> bool {
        self.fired(case.service).contains(&Self::shot(case))
    }

    /// Kills a service as the kernel would, so that it starts.
    pub(crate) fn kill(&self, service: ServiceName) -> bool {
        let text = std::fs::read_to_string(self.directory.join(format!("{service}.pid"))).unwrap_or_default();
        let pid = text.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok())
    }

    /// Switches a rule off in every service.
    pub(crate) fn mutate(&self, name: &str) {
        std::fs::write(self.directory.join("mutation"), name).unwrap();
    }
}
