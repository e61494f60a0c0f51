//! What a service's `run` is given: clocks, peers, readiness, shutdown, and `serve`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::FutureExt;
use mint_types::{Clock, Entropy, Principal, ServiceName, TrustDomain};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tls::Identity;
use crate::{Api, Channel, CommonConfig, Error, Readiness, SystemClock, SystemEntropy, client, server};

/// A process of the constellation. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    trust_domain: TrustDomain,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    readiness: Readiness,
    network: Option<Network>,
    listening: watch::Sender<Option<SocketAddr>>,
    failure: Mutex<Option<Error>>,
    drain_until: OnceLock<Instant>,
}

/// What a process with sockets has besides.
pub(crate) struct Network {
    pub(crate) service: ServiceName,
    pub(crate) config: CommonConfig,
    pub(crate) identity: Arc<Identity>,
    pub(crate) peers: &'static [ServiceName],
    pub(crate) migrating: bool,
    channels: Mutex<BTreeMap<ServiceName, Channel>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("trust_domain", &self.inner.trust_domain).finish_non_exhaustive()
    }
}

impl Process {
    /// A process of `service` with its sockets and certificates. `main` calls it; so do tests that want real sockets.
    pub fn open(
        service: ServiceName,
        config: CommonConfig,
        peers: &'static [ServiceName],
    ) -> Result<Self, Error> {
        Self::opened(service, config, peers, false)
    }

    pub(crate) fn opened(
        service: ServiceName,
        config: CommonConfig,
        peers: &'static [ServiceName],
        migrating: bool,
    ) -> Result<Self, Error> {
        let identity = Identity::open(config.tls.clone(), Some(&config.trust_domain))?;
        let principal = identity.id().principal;
        if principal != Principal::Service(service) {
            let problem = format!("it is the certificate of {principal}, not of service/{service}");
            return Err(Error::Identity { file: config.tls.cert.clone(), problem });
        }
        let entropy = SystemEntropy;
        let trust_domain = config.trust_domain.clone();
        let network =
            Network { service, config, identity, peers, migrating, channels: Mutex::new(BTreeMap::new()) };
        let process =
            Self::new(Arc::new(SystemClock::new(&entropy)), Arc::new(entropy), trust_domain, Some(network));
        if migrating {
            process.inner.shutdown.cancel();
        }
        Ok(process)
    }

    /// A process without sockets, for tests and simulations: it has no peers and cannot serve.
    pub fn for_tests(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, trust_domain: TrustDomain) -> Self {
        Self::new(clock, entropy, trust_domain, None)
    }

    fn new(
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        trust_domain: TrustDomain,
        network: Option<Network>,
    ) -> Self {
        let inner = Inner {
            clock,
            entropy,
            trust_domain,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            readiness: Readiness::default(),
            network,
            listening: watch::Sender::new(None),
            failure: Mutex::new(None),
            drain_until: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The clocks.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The source of randomness.
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.inner.entropy)
    }

    /// The trust domain of every certificate.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.inner.trust_domain
    }

    /// Cancelled on SIGTERM and SIGINT. Background tasks end when it is.
    pub fn shutdown(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Background tasks; the drain waits for them.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Runs a background task that the drain waits for. If it panics, the process ends: one that goes on without its
    /// worker looks alive and does nothing.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let process = self.clone();
        self.inner.tasks.spawn(async move {
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                process.fail(Error::TaskEnded(name));
            }
        });
    }

    /// Ends the process with an error, after the drain.
    pub fn fail(&self, error: Error) {
        tracing::error!(code = "PROCESS_FAILED", %error, "ending");
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.inner.shutdown.cancel();
    }

    /// When everything must have ended: counted once, from the first time somebody asks after shutdown.
    pub(crate) fn drain_until(&self) -> Instant {
        let drain =
            self.inner.network.as_ref().map_or(crate::default_drain(), |network| network.config.drain);
        *self.inner.drain_until.get_or_init(|| Instant::now() + drain.as_duration())
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What must answer before the process says SERVING.
    pub fn readiness(&self) -> Readiness {
        self.inner.readiness.clone()
    }

    /// The address that `serve` listens on, once it does.
    pub fn listening(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.inner.listening.subscribe()
    }

    pub(crate) fn says_where_it_listens(&self, address: SocketAddr) {
        self.inner.listening.send_replace(Some(address));
    }

    pub(crate) fn network(&self) -> Result<&Network, Error> {
        let missing = || Error::Internal("this process has no network".to_owned());
        self.inner.network.as_ref().ok_or_else(missing)
    }

    /// A channel to a configured peer: connected at the first call, reconnected as needed, shared by all callers.
    pub fn peer(&self, service: ServiceName) -> Result<Channel, Error> {
        let Some(network) = &self.inner.network else {
            return Err(Error::PeerMissing(service));
        };
        let url = network.config.peers.url_of(service).ok_or(Error::PeerMissing(service))?;
        let mut channels = network.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&service) {
            return Ok(channel.clone());
        }
        let channel = client::open(url, Arc::clone(&network.identity), service)?;
        channels.insert(service, channel.clone());
        Ok(channel)
    }

    /// Serves until SIGTERM, then drains. Binds first, says SERVING last.
    pub async fn serve(&self, api: Api) -> Result<(), Error> {
        server::serve(self, api).await
    }
}
