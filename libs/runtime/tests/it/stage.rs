//! Two services on loopback with a test CA: what every test here plays on.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::audit_service_server::{AuditService, AuditServiceServer, SERVICE_NAME};
use mint_api::audit::v1::{AppendRequest, AppendResponse, ListEntriesRequest, ListEntriesResponse};
use mint_runtime::{
    Api, Channel, CommonConfig, Error, Peers, Process, StateConfig, TelemetryConfig, TlsConfig, client,
};
use mint_testkit::{Certificate, TestPki};
use mint_types::{OutboundUrl, Period, ServiceName, TrustDomain};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Everything that a test waits for comes within this or not at all.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const RPC: &str = r#"{
  "mint.audit.v1.AuditService/Append": ["service/coordinator", "operator/*"],
  "grpc.health.v1.Health/Check": ["*"],
  "grpc.health.v1.Health/Watch": ["*"],
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": ["operator/*"],
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ["operator/*"]
}"#;

/// What the test's service does for `Append`; the answer's `leaf_index` is what it returns.
pub(crate) type Act = Arc<
    dyn Fn(Request<AppendRequest>) -> Pin<Box<dyn Future<Output = Result<u64, Status>> + Send>> + Send + Sync,
>;

pub(crate) fn act<F, R>(run: F) -> Act
where
    F: Fn(Request<AppendRequest>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<u64, Status>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(run(request)))
}

struct Played(Act);

#[tonic::async_trait]
impl AuditService for Played {
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        let leaf_index = (self.0)(request).await?;
        Ok(Response::new(AppendResponse { leaf_index, leaf_hash: Vec::new() }))
    }

    async fn list_entries(
        &self,
        _request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        Ok(Response::new(ListEntriesResponse::default()))
    }
}

pub(crate) struct Stage {
    pub(crate) directory: TempDir,
    pub(crate) pki: TestPki,
    pub(crate) trust_domain: TrustDomain,
}

impl Stage {
    pub(crate) fn new() -> Self {
        mint_runtime::install_crypto_provider();
        let directory = tempfile::tempdir().unwrap();
        let trust_domain: TrustDomain = "mint.local".parse().unwrap();
        let pki = TestPki::new(directory.path(), &trust_domain);
        Self { directory, pki, trust_domain }
    }

    pub(crate) fn config(
        &self,
        certificate: Certificate,
        peers: &[(ServiceName, SocketAddr)],
    ) -> CommonConfig {
        CommonConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            trust_domain: self.trust_domain.clone(),
            drain: Period::from_seconds(2),
            tls: TlsConfig { ca: self.pki.ca(), cert: certificate.cert, key: certificate.key },
            state: StateConfig::new("sqlite:///nowhere", None),
            telemetry: TelemetryConfig::default(),
            peers: Peers::new(peers.iter().map(|(service, address)| (*service, url(*address)))),
        }
    }

    /// A service of that name, which plays `act`.
    pub(crate) async fn serve(&self, service: ServiceName, act: Act) -> Running {
        let config = self.config(self.pki.service(service), &[]);
        Running::start(Process::open(service, config, &[]).unwrap(), act).await
    }

    pub(crate) fn channel(&self, principal: &str, to: SocketAddr, service: ServiceName) -> Channel {
        self.channel_with(self.pki.issue_path(principal), to, service)
    }

    pub(crate) fn channel_with(&self, own: Certificate, to: SocketAddr, service: ServiceName) -> Channel {
        client::connect(&url(to), self.pki.ca(), own.cert, own.key, None, service).unwrap()
    }

    pub(crate) fn audit(&self, principal: &str, to: SocketAddr) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel(principal, to, ServiceName::Audit))
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.pki.ca()
    }
}

pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    serving: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) async fn start(process: Process, act: Act) -> Self {
        let api = Api {
            permissions: RPC,
            routes: Routes::new(AuditServiceServer::new(Played(act))),
            services: &[SERVICE_NAME],
            descriptors: mint_api::DESCRIPTORS,
        };
        let served = process.clone();
        let serving = tokio::spawn(async move { served.serve(api).await });
        let mut listening = process.listening();
        let address = within(listening.wait_for(Option::is_some)).await.unwrap().unwrap();
        Self { process, address, serving }
    }

    /// SIGTERM, as far as the process is concerned.
    pub(crate) fn stop(&self) {
        self.process.shutdown().cancel();
    }

    /// What `serve` answers.
    pub(crate) async fn ended(self) -> Result<(), Error> {
        within(self.serving).await.unwrap()
    }
}

pub(crate) fn url(address: SocketAddr) -> OutboundUrl {
    format!("https://{address}").parse().unwrap()
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it happens in time")
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F, R>(mut condition: F)
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
