//! berry reports what it fetched to a coordinator over mutual TLS, and fetches whatever the coordinator does.

use std::fs;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::Stream;
use mint_api::Fault;
use mint_api::coordination::v1::coordination_service_server::{
    CoordinationService, CoordinationServiceServer, SERVICE_NAME,
};
use mint_api::coordination::v1::{
    AdoptIdentityRequest, AdoptIdentityResponse, GetApplicationRequest, GetApplicationResponse,
    ListApplicationsRequest, ListApplicationsResponse, PauseRequest, PauseResponse, ReconcileRequest,
    ReconcileResponse, ReportVersionRequest, ReportVersionResponse, ResumeRequest, ResumeResponse,
    RotateApplicationRequest, RotateApplicationResponse, SubmitStatementRequest, SubmitStatementResponse,
    WatchApplicationsRequest, WatchApplicationsResponse,
};
use mint_runtime::{Api, CommonConfig, Peers, Process, StateConfig, TelemetryConfig, TlsConfig, peer_of};
use mint_testkit::{HttpStub, ServiceUnderTest, StubAnswer, TestPki};
use mint_types::{Code, Period, ServiceName, TrustDomain};
use tonic::{Request, Response, Status};

use super::BINARY;

const USER_VERSION: &str = "6f7ad0f0-3f0f-4a8e-9d0a-0d3f3b1c2d3e";
const CLIENT_VERSION: &str = "7a7ad0f0-3f0f-4a8e-9d0a-0d3f3b1c2d3e";
const PERMISSIONS: &str = r#"{
  "mint.coordination.v1.CoordinationService/ReportVersion": ["application/*"],
  "grpc.health.v1.Health/Check": ["*"],
  "grpc.health.v1.Health/Watch": ["*"],
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": ["operator/*"],
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ["operator/*"]
}"#;

/// What was heard, from whom, and what is answered.
#[derive(Debug, Clone, Default)]
struct Played {
    heard: Arc<Mutex<Vec<(String, ReportVersionRequest)>>>,
    refuses: Arc<Mutex<Option<Fault>>>,
}

fn not_played<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("berry does not call it"))
}

#[tonic::async_trait]
impl CoordinationService for Played {
    async fn report_version(
        &self,
        request: Request<ReportVersionRequest>,
    ) -> Result<Response<ReportVersionResponse>, Status> {
        let caller = peer_of(&request)?.principal.to_string();
        self.heard.lock().unwrap().push((caller, request.into_inner()));
        match self.refuses.lock().unwrap().clone() {
            Some(fault) => Err(fault.into()),
            None => Ok(Response::new(ReportVersionResponse {})),
        }
    }

    async fn list_applications(
        &self,
        _: Request<ListApplicationsRequest>,
    ) -> Result<Response<ListApplicationsResponse>, Status> {
        not_played()
    }
    async fn get_application(
        &self,
        _: Request<GetApplicationRequest>,
    ) -> Result<Response<GetApplicationResponse>, Status> {
        not_played()
    }
    async fn rotate_application(
        &self,
        _: Request<RotateApplicationRequest>,
    ) -> Result<Response<RotateApplicationResponse>, Status> {
        not_played()
    }
    async fn adopt_identity(
        &self,
        _: Request<AdoptIdentityRequest>,
    ) -> Result<Response<AdoptIdentityResponse>, Status> {
        not_played()
    }
    async fn submit_statement(
        &self,
        _: Request<SubmitStatementRequest>,
    ) -> Result<Response<SubmitStatementResponse>, Status> {
        not_played()
    }
    async fn reconcile(&self, _: Request<ReconcileRequest>) -> Result<Response<ReconcileResponse>, Status> {
        not_played()
    }
    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        not_played()
    }
    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        not_played()
    }
    type WatchApplicationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchApplicationsResponse, Status>> + Send>>;
    async fn watch_applications(
        &self,
        _: Request<WatchApplicationsRequest>,
    ) -> Result<Response<Self::WatchApplicationsStream>, Status> {
        not_played()
    }
}

/// A store with both files, a coordinator, and what berry needs to find them.
struct Stage {
    played: Played,
    stub: HttpStub,
    url: String,
    process: Process,
    place: tempfile::TempDir,
    certificate: mint_testkit::Certificate,
    ca: std::path::PathBuf,
}

fn s3() -> HttpStub {
    HttpStub::start(|request| {
        let (path, _) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let body = match path {
            "/team-bucket/shop/user.json" => format!(
                "{{\"application_username\": \"u\", \"application_password\": \"mint-canary-pw\", \"version\": \"{USER_VERSION}\"}}"
            ),
            "/team-bucket/shop/client.json" => format!(
                "{{\"client_id\": \"c\", \"client_secret\": null, \"version\": \"{CLIENT_VERSION}\"}}"
            ),
            _ => return StubAnswer::status(404, "<Error><Code>NoSuchKey</Code></Error>"),
        };
        let etag = "\"one\"";
        if request.header("if-none-match") == etag {
            return StubAnswer::status(304, "").with("etag", etag);
        }
        StubAnswer::status(200, &body).with("etag", etag)
    })
}

impl Stage {
    async fn new() -> Self {
        mint_runtime::install_crypto_provider();
        let place = tempfile::tempdir().unwrap();
        let trust_domain: TrustDomain = "mint.local".parse().unwrap();
        let pki = TestPki::new(place.path().join("pki"), &trust_domain);
        let own = pki.service(ServiceName::Coordinator);
        let config = CommonConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            trust_domain,
            drain: Period::from_seconds(2),
            tls: TlsConfig { ca: pki.ca(), cert: own.cert, key: own.key },
            state: StateConfig::new("sqlite:///nowhere", None),
            telemetry: TelemetryConfig::default(),
            peers: Peers::default(),
        };
        let process = Process::open(ServiceName::Coordinator, config, &[]).unwrap();
        let played = Played::default();
        let api = Api {
            permissions: PERMISSIONS,
            routes: tonic::service::Routes::new(CoordinationServiceServer::new(played.clone())),
            services: &[SERVICE_NAME],
            descriptors: mint_api::DESCRIPTORS,
        };
        let serving = process.clone();
        tokio::spawn(async move { serving.serve(api).await });
        let mut listening = process.listening();
        let address = listening.wait_for(Option::is_some).await.unwrap().unwrap();
        fs::write(place.path().join("keys"), "shop:AKIAFIELD:mint-canary-key\n").unwrap();
        let url = format!("https://{address}");
        let certificate = pki.issue_path("application/shop");
        Self { played, stub: s3(), url, process, certificate, ca: pki.ca(), place }
    }

    fn start(&self, arguments: &[&str], coordinator: &str) -> ServiceUnderTest {
        let keys = self.place.path().join("keys");
        let directory = self.place.path().join("credentials");
        let mut all = vec!["-c", keys.to_str().unwrap()];
        all.extend(arguments);
        ServiceUnderTest::start(
            BINARY,
            &all,
            &[
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ENDPOINT_URL_S3", self.stub.url()),
                ("MINT_APPLICATION", "shop"),
                ("MINT_BUCKET", "team-bucket"),
                ("CREDENTIALS_DIR", directory.to_str().unwrap()),
                ("MINT_COORDINATOR", coordinator),
                ("MINT_CA", self.ca.to_str().unwrap()),
                ("MINT_CERT", self.certificate.cert.to_str().unwrap()),
                ("MINT_KEY", self.certificate.key.to_str().unwrap()),
            ],
        )
    }

    fn heard(&self) -> Vec<(String, ReportVersionRequest)> {
        self.played.heard.lock().unwrap().clone()
    }

    fn polls(&self) -> usize {
        self.stub.requests().iter().filter(|request| request.target.contains("user.json")).count()
    }

    async fn until(&self, what: &str, berry: &ServiceUnderTest, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1500 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {}", berry.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_poll_is_reported_as_the_application_also_when_nothing_changed() {
    let stage = Stage::new().await;
    let mut berry = stage.start(&["-i", "1", "--instance", "web-1"], &stage.url);
    stage.until("three polls", &berry, |stage| stage.heard().len() >= 6).await;
    berry.terminate();
    assert!(berry.wait(Duration::from_secs(10)).success(), "{}", berry.log());
    let heard = stage.heard();
    assert!(heard.iter().all(|(caller, said)| caller == "application/shop" && said.instance == "web-1"));
    assert!(heard.is_sorted_by(|(_, one), (_, next)| one.sequence < next.sequence));
    let said = |index: usize| (heard[index].1.kind(), heard[index].1.version_id.as_str());
    assert_eq!(said(0), (mint_api::types::v1::CredentialKind::Password, USER_VERSION));
    assert_eq!(said(1), (mint_api::types::v1::CredentialKind::PublicClient, CLIENT_VERSION));
    assert_eq!(heard[0].1.poll_interval.as_ref().unwrap().seconds, 1);
    assert!(!berry.log().contains("REPORT_FAILED"), "{}", berry.log());
    stage.process.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_reports_before_it_ends() {
    let stage = Stage::new().await;
    let mut berry = stage.start(&["--once"], &stage.url);
    assert!(berry.wait(Duration::from_secs(30)).success(), "{}", berry.log());
    let heard = stage.heard();
    assert_eq!(heard.len(), 2, "{}", berry.log());
    assert!(heard[0].1.instance.contains('+'), "{}", heard[0].1.instance);
    assert_eq!(heard[0].1.poll_interval.as_ref().unwrap().seconds, 1, "nobody waits for a run by hand");
    let mut timed = stage.start(&["--once", "--interval", "300"], &stage.url);
    assert!(timed.wait(Duration::from_secs(30)).success(), "{}", timed.log());
    assert_eq!(stage.heard()[2].1.poll_interval.as_ref().unwrap().seconds, 300);
    stage.process.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_does_not_answer_disturbs_no_poll() {
    let stage = Stage::new().await;
    // it accepts connections and says nothing
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", deaf.local_addr().unwrap());
    let mut berry = stage.start(&["-i", "1"], &url);
    stage.until("five polls", &berry, |stage| stage.polls() >= 5).await;
    berry.wait_for_log("REPORT_FAILED", Duration::from_secs(30));
    assert!(stage.place.path().join("credentials/user.json").exists());
    berry.terminate();
    assert!(berry.wait(Duration::from_secs(10)).success(), "{}", berry.log());
    assert!(!berry.log().contains("mint-canary"), "{}", berry.log());
    stage.process.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_report_is_a_coded_warning_and_fetching_goes_on() {
    let stage = Stage::new().await;
    let fault = Fault::new(Code::FailedPrecondition, "VERSION_UNKNOWN", "no such version");
    *stage.played.refuses.lock().unwrap() = Some(fault);
    let mut berry = stage.start(&["-i", "1"], &stage.url);
    stage.until("three polls", &berry, |stage| stage.polls() >= 3).await;
    let log = berry.log();
    assert!(log.contains("REPORT_FAILED") && log.contains("VERSION_UNKNOWN"), "{log}");
    *stage.played.refuses.lock().unwrap() = None;
    let before = stage.heard().len();
    stage.until("it is tried again", &berry, |stage| stage.heard().len() > before + 1).await;
    berry.terminate();
    assert!(berry.wait(Duration::from_secs(10)).success(), "{}", berry.log());
    stage.process.shutdown().cancel();
}
