//! How rotations are driven, and what all workers share while they do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mint_port::Port;
use mint_saga::Backoff;
use mint_types::{Clock, Entropy, RequestId, Timestamp};
use tokio::sync::{Notify, watch};

use crate::config::{DriftConfig, RotationConfig};
use crate::lease::Reservations;
use crate::ports::{Distributor, Identities, Rotator};
use crate::watched::Watched;

/// COMPAT section 4: the pause after a 429 that does not say how long.
pub(crate) const PAUSE_AFTER_429: Duration = Duration::from_secs(90);

/// The numbers of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// This coordinator's name in leases.
    pub holder: String,
    /// How many applications are worked on at once.
    pub concurrency: usize,
    /// How long a lease lasts after the holder's last sign.
    pub lease: Duration,
    /// How long a call to another service may take: less than the lease.
    pub call_deadline: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// After so many failures in a row something counts as failed.
    pub failed_after: u32,
    /// How long after its objects a removed identity is deleted.
    pub min_overlap: Duration,
    /// How often it is checked that the issuer accepts what consumers have; none for never.
    pub drift: Option<Duration>,
}

impl Policy {
    /// From the configuration; a coordinator without a name gets a random one.
    pub fn new(config: &RotationConfig, drift: &DriftConfig, entropy: &dyn Entropy) -> Self {
        let lease = config.lease.as_duration();
        let life = RequestId::random(entropy);
        let holder = match config.instance.as_str() {
            "" => life.to_string(),
            instance if config.sole_executors => instance.to_owned(),
            // what the process asked for in its former life may still be under way
            instance => format!("{instance} {life}"),
        };
        Self {
            holder,
            concurrency: usize::from(config.concurrency),
            lease,
            call_deadline: lease * 2 / 3,
            backoff: Backoff { base: config.retry_base.as_duration(), cap: config.retry_cap.as_duration() },
            failed_after: config.failed_after,
            min_overlap: config.min_overlap.as_duration(),
            drift: drift.period(),
        }
    }
}

/// Tells those who wait that something happened.
#[derive(Debug, Clone)]
pub struct Bell {
    work: Arc<Notify>,
    changes: watch::Sender<u64>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { work: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Bell {
    /// There may be work.
    pub fn ring(&self) {
        self.work.notify_one();
        self.changed();
    }

    /// A status may have changed.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ends when there may be work.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// Hears of every change from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The issuer asked everybody to wait: what this process knows of it. What the issuer itself asked for is in the store
/// too, and comes back with every lease.
#[derive(Debug, Default)]
pub struct IssuerGate(Mutex<Option<Timestamp>>);

/// Answers of workers that were told to wait at the same time differ by less.
const SAME_PAUSE: Duration = Duration::from_secs(1);
/// Nobody waits longer for an issuer at once. A pause that ends later was asked for by mistake, or written under a clock
/// that was ahead.
pub(crate) const LONGEST_ISSUER_PAUSE: Duration = Duration::from_hours(1);

impl IssuerGate {
    /// No call before `until`; answers whether that is news. A time that is no pause any issuer is granted is not heeded.
    pub fn pause(&self, until: Timestamp, now: Timestamp) -> bool {
        let longest = now.plus(LONGEST_ISSUER_PAUSE);
        if until > longest {
            return false;
        }
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gate.filter(|known| *known <= longest);
        let is_news = known.is_none_or(|known| until.since(known) >= SAME_PAUSE);
        *gate = known.max(Some(until));
        is_news
    }

    /// Until when no call may be made.
    pub fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gate.filter(|until| now < *until && *until <= now.plus(LONGEST_ISSUER_PAUSE))
    }
}

/// What every worker uses.
#[derive(Debug)]
pub struct Parts {
    /// The numbers.
    pub policy: Policy,
    /// The memory, and whether it can be written.
    pub store: Watched,
    /// `identity-provisioner`.
    pub identities: Port<dyn Identities>,
    /// `rotator`.
    pub rotator: Port<dyn Rotator>,
    /// `distributor`.
    pub distributor: Port<dyn Distributor>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Whom to tell.
    pub bell: Bell,
    /// Whether the issuer may be called.
    pub issuer: IssuerGate,
    /// The leases that this process may go on with.
    pub reservations: Reservations,
}
