//! The network edge: accept, authorize, dispatch, drain.

mod accept;
pub(crate) mod body;
pub(crate) mod deadline;
mod dispatch;
pub(crate) mod methods;
mod places;
mod probe;

use std::sync::Arc;

use mint_permissions::RpcTable;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::{Error, Process, health};

use accept::Listener;
use dispatch::Dispatch;
use methods::Methods;

const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// What a service serves.
pub struct Api {
    /// Its `permissions/rpc.json`, by `include_str!`.
    pub permissions: &'static str,
    /// Its gRPC services; health and reflection are added.
    pub routes: Routes,
    /// Their full names, for health and reflection.
    pub services: &'static [&'static str],
    /// The encoded `FileDescriptorSet` that describes them: `mint_api::DESCRIPTORS`.
    pub descriptors: &'static [u8],
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("services", &self.services).finish_non_exhaustive()
    }
}

pub(crate) async fn serve(process: &Process, api: Api) -> Result<(), Error> {
    let network = process.network()?;
    if network.migrating {
        tracing::info!("the schema is up to date");
        return Ok(());
    }
    let address = network.config.listen;
    let socket = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    let address = socket.local_addr().map_err(|source| Error::Listen { address, source })?;
    let table = RpcTable::parse(api.permissions)
        .map_err(|error| Error::Internal(format!("permissions/rpc.json: {error}")))?;
    let (reporter, health_service) = tonic_health::server::health_reporter();
    // tonic's reporter starts with SERVING.
    health::say(&reporter, api.services, false).await;
    let methods = Methods::of(&[api.descriptors])?;
    let routes = with_reflection(api.routes.clone().add_service(health_service), &api)?.prepare();
    let dispatch = Dispatch::new(process.clone(), network.service, table, methods, routes);

    let shutdown = process.shutdown();
    probe::peers(process, network.peers)?;
    process.spawn("certificates", Arc::clone(&network.identity).watch(shutdown.clone()));
    process.spawn("health", health::report(process.readiness(), reporter, api.services, shutdown.clone()));

    let connections = TaskTracker::new();
    let listener = Listener {
        socket,
        identity: Arc::clone(&network.identity),
        dispatch,
        connections: connections.clone(),
    };
    process.says_where_it_listens(address);
    tracing::info!(%address, service = %network.service, id = %network.identity.id(), "serving");
    listener.accept_until(&shutdown).await;

    connections.close();
    let drained = tokio::time::timeout_at(process.drain_until(), connections.wait()).await;
    drained.map_err(|_| {
        tracing::error!(code = "DRAIN_DEADLINE", left = connections.len(), "connections did not end in time");
        Error::DrainDeadline
    })
}

fn with_reflection(routes: Routes, api: &Api) -> Result<Routes, Error> {
    let builder = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .include_reflection_service(false)
            .register_encoded_file_descriptor_set(api.descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET);
        for name in api.services.iter().chain(&[HEALTH]).chain(&REFLECTION) {
            builder = builder.with_service_name(*name);
        }
        builder
    };
    let malformed = |error: tonic_reflection::server::Error| Error::Internal(format!("descriptors: {error}"));
    let v1 = builder().build_v1().map_err(malformed)?;
    // Older grpcurl (1.8) sees only v1alpha.
    let v1alpha = builder().build_v1alpha().map_err(malformed)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}
