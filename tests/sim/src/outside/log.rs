//! The audit log, as far as its order matters.

use std::collections::BTreeMap;

use mint_api::audit_log::Act;
use mint_invariants::{Deed, said_before_done};

use crate::scene::State;

/// What was announced and not concluded yet.
#[derive(Debug, Default)]
pub(crate) struct Log {
    open: BTreeMap<u64, (u64, String, &'static str)>,
    ticks: u64,
}

impl State {
    /// An announcement became durable.
    pub(crate) fn announced(&mut self, leaf: u64, act: &Act, service: &str) {
        self.log.ticks += 1;
        let application = act.application.as_ref().map(ToString::to_string).unwrap_or_default();
        self.log.open.insert(leaf, (self.log.ticks, format!("{service} {application}"), act.action));
    }

    /// An outcome became durable.
    pub(crate) fn concluded(&mut self, leaf: u64) {
        self.log.ticks += 1;
        self.log.open.remove(&leaf);
    }

    /// An act is sent: it must have been announced, to the same application, by the same service, and not concluded.
    pub(crate) fn acts(&mut self, leaf: u64, act: &Act, service: &str) {
        self.log.ticks += 1;
        let application = act.application.clone();
        let name = application.as_ref().map(ToString::to_string).unwrap_or_default();
        let entry = self.log.open.get(&leaf);
        let deed = Deed {
            what: format!("{} at {name}", act.action),
            application,
            actor: entry.map_or_else(String::new, |(_, actor, _)| actor.clone()),
            peer: entry.map_or_else(String::new, |_| format!("{service} {name}")),
            announced: entry.map(|(tick, ..)| *tick),
            done: Some(self.log.ticks),
            concluded: None,
        };
        self.judge(said_before_done(&[deed]));
    }
}
