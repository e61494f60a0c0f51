//! An audit log in this process, over mutual TLS and with the real table of permissions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mint_api::audit::v1::audit_service_server::{AuditService, AuditServiceServer, SERVICE_NAME};
use mint_api::audit::v1::{AppendRequest, AppendResponse, ListEntriesRequest, ListEntriesResponse};
use mint_runtime::{
    Api, CommonConfig, Peers, Process, StateConfig, TelemetryConfig, TlsConfig, default_drain,
};
use mint_testkit::TestPki;
use mint_types::ServiceName;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    entries: Arc<Mutex<Vec<AppendRequest>>>,
    is_down: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl AuditService for Log {
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let mut entries = self.entries.lock().unwrap();
        entries.push(request.into_inner());
        let leaf_index = entries.len() as u64 - 1;
        Ok(Response::new(AppendResponse { leaf_index, leaf_hash: Vec::new() }))
    }

    async fn list_entries(
        &self,
        _: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

impl Log {
    /// Starts to serve; answers its port.
    pub(crate) async fn start(pki: &TestPki) -> (Self, u16) {
        let own = pki.service(ServiceName::Audit);
        let config = CommonConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            trust_domain: "mint.local".parse().unwrap(),
            drain: default_drain(),
            tls: TlsConfig { ca: pki.ca(), cert: own.cert, key: own.key },
            state: StateConfig::new("none:", Some(false)),
            telemetry: TelemetryConfig::default(),
            peers: Peers::default(),
        };
        let process = Process::open(ServiceName::Audit, config, &[]).unwrap();
        let log = Self::default();
        let api = Api {
            permissions: include_str!("../../../audit/permissions/rpc.json"),
            routes: Routes::new(AuditServiceServer::new(log.clone())),
            services: &[SERVICE_NAME],
            descriptors: mint_api::DESCRIPTORS,
        };
        let mut listening = process.listening();
        tokio::spawn(async move { process.serve(api).await });
        let address = listening.wait_for(Option::is_some).await.unwrap().unwrap();
        (log, address.port())
    }

    pub(crate) fn entries(&self) -> Vec<AppendRequest> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}
