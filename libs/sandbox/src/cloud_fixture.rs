//! A small cloud on two real listeners, and the real SDKs as its clients.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use axum::Router;
use mint_types::{Clock, Entropy};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cloud::Cloud;
use crate::source::{SystemClock, SystemEntropy};
use crate::sts::Session;
use crate::world::World;
use crate::{Ground, gate, naming, platform, s3, serve, state, sts};

/// Two teams, and applications whose names begin alike.
pub(crate) const WORLD: &str = r#"
teams:
  - {id: stups, account_id: "111111111111"}
  - {id: other, account_id: "222222222222"}
applications:
  - {id: abc, team_id: stups, name: A, settings: {buckets: [stups-mint], prefix: mint}}
  - {id: abcd, team_id: stups, name: B, settings: {buckets: [stups-mint], prefix: mint}}
  - {id: bare, team_id: stups, name: C, settings: {buckets: [stups-bare, {name: stups-far, region: us-east-1}]}}
  - {id: nowhere, team_id: stups, name: D}
  - {id: refused, team_id: stups, name: E, settings: {buckets: [stups-refusing]}}
  - {id: foreign, team_id: other, name: F, settings: {buckets: [other-mint]}}
world:
  refuse_writes: [stups-refusing]
"#;

pub(crate) const REGION: &str = "eu-central-1";

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) world: watch::Sender<Arc<World>>,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_in(directory: TempDir) -> Self {
        std::fs::create_dir_all(directory.path().join("sandbox")).unwrap();
        let main = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (world, receiver) = watch::channel(Arc::new(World::parse(WORLD).unwrap()));
        let ground = Ground {
            directory: directory.path().to_owned(),
            world: receiver,
            calls: Arc::default(),
            faults: Arc::default(),
            database: state::open(directory.path()).await.unwrap(),
            clock: Arc::new(SystemClock) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy) as Arc<dyn Entropy>,
            default_region: REGION.to_owned(),
            broker_issuer: None,
            address: main.local_addr().unwrap(),
            s3_address: s3_listener.local_addr().unwrap(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let cloud = Cloud::open(&ground).unwrap();
        let router = Router::new()
            .merge(sts::router(Arc::clone(&cloud)))
            .merge(platform::router(Arc::clone(&cloud)))
            .layer(axum::middleware::from_fn_with_state(ground.gate(naming::name), gate::pass));
        tokio::spawn(serve::serve(main, router, ground.shutdown.clone()));
        tokio::spawn(serve::serve(s3_listener, s3::router(&cloud), ground.shutdown.clone()));
        tokio::spawn(platform::keep_fresh(Arc::clone(&cloud)));
        Self { directory, cloud, world }
    }

    /// Ends this cloud; what it kept stays.
    pub(crate) fn stop(self) -> TempDir {
        self.cloud.ground.shutdown.cancel();
        self.directory
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.cloud.ground.address)
    }

    pub(crate) fn s3_url(&self) -> String {
        format!("http://{}", self.cloud.ground.s3_address)
    }

    /// Credentials of a role, for so many seconds from now.
    pub(crate) fn credentials_for(&self, role_arn: &str, seconds: i64) -> Credentials {
        let sessions = &self.cloud.sessions;
        let session = Session {
            access_key: sessions.new_access_key(&SystemEntropy),
            role_arn: role_arn.to_owned(),
            name: "test".to_owned(),
            expires: SystemClock.now().unix_millis() / 1000 + seconds,
            tags: std::collections::BTreeMap::new(),
        };
        let secret = sessions.secret(&session.access_key).unwrap();
        let token = sessions.token(&session).unwrap();
        Credentials::new(&session.access_key, secret.as_str(), Some(token.to_string()), None, "test")
    }

    pub(crate) fn reader(&self, application: &str) -> aws_sdk_s3::Client {
        let world = self.cloud.ground.world_now();
        let account = world.account_of(world.application(application).unwrap()).unwrap();
        self.client(&format!("arn:aws:iam::{account}:role/mint-reader-{application}"))
    }

    pub(crate) fn service(&self, service: &str) -> aws_sdk_s3::Client {
        self.client(&format!("arn:aws:iam::000000000000:role/mint-{service}"))
    }

    fn client(&self, role_arn: &str) -> aws_sdk_s3::Client {
        self.client_with(self.credentials_for(role_arn, 900), REGION)
    }

    pub(crate) fn client_with(&self, credentials: Credentials, region: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(self.s3_url())
            .force_path_style(true)
            .region(Region::new(region.to_owned()))
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .credentials_provider(credentials)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("{}/sts", self.url()))
            .region(aws_sdk_sts::config::Region::new(REGION))
            .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }

    /// One request as it stands, without any SDK: status and body.
    pub(crate) async fn raw(&self, request: http::Request<String>) -> (u16, String) {
        use http_body_util::BodyExt;
        use hyper_util::rt::TokioIo;
        let authority = request.uri().authority().unwrap().to_string();
        let stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        parts.headers.entry(http::header::HOST).or_insert(authority.parse().unwrap());
        parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        let response = sender.send_request(http::Request::from_parts(parts, body)).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// `AccessDenied`, or `200`.
pub(crate) fn verdict<T, E>(result: &Result<T, aws_sdk_s3::error::SdkError<E>>) -> String
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    match result {
        Ok(_) => "200".to_owned(),
        Err(error) => match error.as_service_error().and_then(|service| service.code().map(str::to_owned)) {
            Some(code) => code,
            None => error.raw_response().map_or("none".to_owned(), |raw| raw.status().as_u16().to_string()),
        },
    }
}
