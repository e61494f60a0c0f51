//! Where the parts meet.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use mint_types::{Clock, Entropy};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bearer::Bearers;
use crate::cloud::Cloud;
use crate::glewlwyd::Glewlwyd;
use crate::issuer::Issuer;
use crate::jwt::SigningKey;
use crate::kio::Registry;
use crate::naming::Applications;
use crate::oauth::{Prober, Server};
use crate::reply::error_reply;
use crate::vault::Vault;
use crate::world::World;
use crate::{
    Error, Ground, Options, gate, glewlwyd, hooks, issuer, kio, live, naming, oauth, platform, s3, serve,
    state, sts,
};

/// A running world.
#[derive(Debug)]
pub struct Sandbox {
    ground: Ground,
}

impl Sandbox {
    /// Everything that can be refused is refused here; when this answers, both listeners answer.
    pub async fn start(
        options: &Options,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let file = World::read(&options.registry)?;
        let grace = file.rules.password_grace;
        let listener = listen(options.listen).await?;
        let s3_listener = listen(options.s3_listen).await?;
        let directory = options.data.join("sandbox");
        private_directory(&directory).map_err(files("the world's directory"))?;
        let directory = std::path::absolute(&options.data).map_err(files("the world's directory"))?;
        let database = state::open(&directory).await?;
        let registry = Arc::new(Registry::open(file, database.clone(), Arc::clone(&clock)).await?);
        let ground = Ground {
            directory,
            world: registry.world(),
            calls: Arc::default(),
            faults: Arc::default(),
            database,
            clock,
            entropy,
            default_region: options.default_region.clone(),
            broker_issuer: options.broker_issuer.clone(),
            address: listener.local_addr().map_err(files("the listener's address"))?,
            s3_address: s3_listener.local_addr().map_err(files("the listener's address"))?,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let vault = Vault::new(Arc::clone(&ground.entropy));
        let issuer = Arc::new(Issuer {
            database: ground.database.clone(),
            vault,
            clock: Arc::clone(&ground.clock),
            entropy: Arc::clone(&ground.entropy),
            grace,
        });
        let cloud = Cloud::open(&ground).map_err(files("the cloud's keys and tokens"))?;
        let main = main_router(&ground, options, registry, issuer, &cloud).await?;
        ground.tasks.spawn(serve::serve(listener, main, ground.shutdown.clone()));
        ground.tasks.spawn(serve::serve(s3_listener, s3::router(&cloud), ground.shutdown.clone()));
        ground.tasks.spawn(platform::keep_fresh(cloud));
        tracing::info!(address = %ground.address, s3_address = %ground.s3_address, trust_domain = options.trust_domain, "serving");
        Ok(Self { ground })
    }

    /// Where everything but S3 is.
    pub fn address(&self) -> SocketAddr {
        self.ground.address
    }

    /// Where S3 is; it takes requests by path, not by virtual host.
    pub fn s3_address(&self) -> SocketAddr {
        self.ground.s3_address
    }

    /// Cancel it to end this world.
    pub fn shutdown(&self) -> CancellationToken {
        self.ground.shutdown.clone()
    }

    /// Waits until the end was asked for and running calls are answered.
    pub async fn ended(self) {
        self.ground.shutdown.cancelled().await;
        self.ground.tasks.close();
        self.ground.tasks.wait().await;
        self.ground.database.close().await;
        tracing::info!("ended");
    }
}

async fn main_router(
    ground: &Ground,
    options: &Options,
    registry: Arc<Registry>,
    issuer: Arc<Issuer>,
    cloud: &Arc<Cloud>,
) -> Result<Router, Error> {
    let bearers =
        Bearers::provide(&ground.directory, &*ground.entropy).map_err(files("a service's token"))?;
    let bearers = Arc::new(bearers);
    let prober = Prober::provide(&ground.directory, &*ground.entropy, &issuer.vault)
        .await
        .map_err(files("the prober's credentials"))?;
    let key = SigningKey::load_or_create(&ground.directory.join("sandbox/keys/oauth2.p8"))
        .map_err(files("the token endpoint's key"))?;
    let applications =
        Applications { prefix: options.username_prefix.as_str().into(), world: ground.world.clone() };
    let glewlwyd =
        Glewlwyd::open(ground, applications).await.map_err(files("Glewlwyd's keys and administrator"))?;
    let glewlwyd = Arc::new(glewlwyd);
    let server = Server {
        issuer: Arc::clone(&issuer),
        key,
        clock: Arc::clone(&ground.clock),
        origin: ground.origin(),
        prober,
        username_prefix: options.username_prefix.clone(),
    };
    let world = Router::new()
        .merge(kio::router(Arc::clone(&registry), Arc::clone(&bearers)))
        .merge(issuer::router(Arc::clone(&issuer), bearers, &options.username_prefix))
        .merge(glewlwyd::router(Arc::clone(&glewlwyd)))
        .merge(oauth::router(Arc::new(server)))
        .merge(sts::router(Arc::clone(cloud)))
        .merge(platform::router(Arc::clone(cloud)))
        .fallback(|| async { error_reply(StatusCode::NOT_FOUND, "not_found", "this world has no such call") })
        .layer(from_fn_with_state(ground.gate(naming::name), gate::pass));
    let hooks = hooks::router(Arc::clone(&ground.calls), Arc::clone(&ground.faults))
        .merge(kio::hook(registry))
        .merge(live::hook(issuer, glewlwyd, &options.username_prefix));
    Ok(hooks.fallback_service(world))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    if !address.ip().is_loopback() {
        return Err(Error::NotLoopback { address });
    }
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

fn private_directory(directory: &std::path::Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn files(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Files { what, source }
}
