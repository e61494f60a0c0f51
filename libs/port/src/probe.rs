//! Who decides what a point does.

use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use crate::points::name;
use crate::{Side, Site};

/// A point that a call has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached<'a> {
    /// Whose call of what.
    pub site: Site,
    /// Before or after it.
    pub side: Side,
    /// What the call said of itself: its arguments, and after it its answer.
    pub text: &'a str,
}

impl Reached<'_> {
    /// The point's name.
    pub fn name(&self) -> String {
        name(self.site.service, self.site.port, self.site.method, self.side)
    }
}

/// What the call does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// It never ends: a simulation that answers this drops the task, as a death would.
    Never,
}

/// Who is told of every point.
pub trait Probe: Debug + Send + Sync {
    /// A call has reached a point.
    fn reached(&self, point: &Reached<'_>) -> Verdict;
}

static PROBE: RwLock<Option<Arc<dyn Probe>>> = RwLock::new(None);

/// From now on this probe is told of every point of this process; none tells nobody.
pub fn install(probe: Option<Arc<dyn Probe>>) {
    *PROBE.write().unwrap_or_else(PoisonError::into_inner) = probe;
}

fn installed() -> Option<Arc<dyn Probe>> {
    PROBE.read().unwrap_or_else(PoisonError::into_inner).clone()
}

pub(crate) fn is_installed() -> bool {
    PROBE.read().unwrap_or_else(PoisonError::into_inner).is_some()
}

pub(crate) async fn pass(site: Site, side: Side, text: &str) {
    let verdict = installed().map_or(Verdict::GoOn, |probe| probe.reached(&Reached { site, side, text }));
    if verdict == Verdict::Never {
        std::future::pending::<()>().await;
    }
}
