//! A world with a broker: embedded STS and S3, an IAM solution, an audit log, and the real binary.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use bytes::Bytes;
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mint_runtime::http::HttpClient;
use mint_sandbox::source::{SystemClock, SystemEntropy};
use mint_sandbox::{Options, Sandbox};
use mint_testkit::{HttpStub, ServiceUnderTest, StubAnswer, TestPki, free_port, run_to_end};
use mint_types::{Clock as _, ServiceName};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::log::Log;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mint-broker");
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
pub(crate) const ROLE: &str = "arn:aws:iam::111111111111:role/mint-tagged-reader";
pub(crate) const BUCKET: &str = "stups-mint";
const REGION: &str = "eu-central-1";

const REGISTRY: &str = r#"
teams: [{id: stups, account_id: "111111111111"}]
applications:
  - {id: abc, team_id: stups, name: A, settings: {buckets: [stups-mint]}}
  - {id: abcd, team_id: stups, name: B, settings: {buckets: [stups-mint]}}
"#;

pub(crate) struct Stage {
    pub(crate) directory: TempDir,
    pub(crate) pki: TestPki,
    pub(crate) log: Log,
    pub(crate) sandbox: Sandbox,
    pub(crate) http: HttpClient,
    pub(crate) port: u16,
    http_port: u16,
    audit_port: u16,
    iam: Iam,
}

/// The IAM solution: one key, and whether it answers.
struct Iam {
    stub: HttpStub,
    is_down: Arc<AtomicBool>,
    key: EncodingKey,
    kid: String,
}

pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pki = TestPki::new(directory.path().join("pki"), &"mint.local".parse().unwrap());
        let (log, audit_port) = Log::start(&pki).await;
        let http_port = free_port();
        let registry = directory.path().join("registry.yaml");
        std::fs::write(&registry, REGISTRY).unwrap();
        let options = Options {
            data: directory.path().join("data"),
            registry,
            listen: ([127, 0, 0, 1], 0).into(),
            s3_listen: ([127, 0, 0, 1], 0).into(),
            trust_domain: "mint.local".to_owned(),
            default_region: REGION.to_owned(),
            username_prefix: "stups_".to_owned(),
            broker_issuer: Some(format!("http://127.0.0.1:{http_port}").parse().unwrap()),
            die_with_parent: false,
        };
        let sandbox = Sandbox::start(&options, Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap();
        let stage = Self {
            iam: Iam::start(),
            http: HttpClient::new(),
            port: free_port(),
            directory,
            pki,
            log,
            sandbox,
            http_port,
            audit_port,
        };
        let made = run_to_end(
            BINARY,
            &["keys", "init", "--directory", stage.keys().to_str().unwrap(), "--jwks-cache", "1h"],
            &[],
        );
        assert_eq!(made.code(), Some(0), "{}", made.stderr);
        stage
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The broker's configuration; `more` stands at its top.
    pub(crate) fn config(&self, more: &str) -> PathBuf {
        let own = self.pki.service(ServiceName::Broker);
        let text = format!(
            "{more}\nlisten = \"127.0.0.1:{port}\"\ntrust_domain = \"mint.local\"\ndrain = \"2s\"\n\
             [tls]\nca = \"{ca}\"\ncert = \"{cert}\"\nkey = \"{key}\"\n\
             [peers]\naudit = \"https://localhost:{audit}\"\n\
             [http]\nlisten = \"127.0.0.1:{http}\"\nissuer = \"{issuer}\"\n\
             [session]\nissuer = \"https://iam.example.org\"\naudience = \"mint-broker\"\njwks_url = \"{iam}/jwks\"\n\
             [signing]\ndirectory = \"{keys}\"\n\
             [sts]\nendpoint = \"http://{sts}/sts\"\n\
             [roles.reader]\narn = \"{ROLE}\"\ntag_key = \"mint_application\"\nsession = \"15m\"\n\
             [[grants]]\nsubject = \"ci-abc\"\nrole = \"reader\"\nvalue = \"abc\"\n\
             [[grants]]\nspiffe = \"spiffe://mint.local/application/abcd\"\nrole = \"reader\"\nvalue = \"abcd\"\n\
             session_name = \"itself\"\n",
            port = self.port,
            ca = self.pki.ca().display(),
            cert = own.cert.display(),
            key = own.key.display(),
            audit = self.audit_port,
            http = self.http_port,
            issuer = self.issuer(),
            iam = self.iam.stub.url(),
            keys = self.keys().display(),
            sts = self.sandbox.address(),
        );
        let file = self.directory.path().join("broker.toml");
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn broker(&self) -> ServiceUnderTest {
        let mut broker = ServiceUnderTest::with_config(BINARY, &self.config(""));
        broker.wait_for_log("\"serving\"", LIMIT);
        broker
    }

    pub(crate) fn iam_is_down(&self, is_down: bool) {
        self.iam.is_down.store(is_down, Ordering::SeqCst);
    }

    /// A session of somebody at the IAM solution.
    pub(crate) fn session(&self, subject: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = SystemClock.now().unix_millis() / 1000;
        let mut claims = json!({
            "iss": "https://iam.example.org", "aud": "mint-broker", "sub": subject, "iat": now, "exp": now + 300,
        });
        change(&mut claims);
        signed(&self.iam.key, &self.iam.kid, &claims)
    }

    /// A token with these claims, signed with the broker's own key: what nobody can get of the broker.
    pub(crate) fn stolen_key_signs(&self, claims: &Value) -> String {
        let schedule = std::fs::read_to_string(self.keys().join("schedule.json")).unwrap();
        let schedule: Value = serde_json::from_str(&schedule).unwrap();
        let kid = schedule["keys"][0]["kid"].as_str().unwrap();
        let document = std::fs::read(self.keys().join(format!("{kid}.p8"))).unwrap();
        signed(&EncodingKey::from_ec_der(&document), kid, claims)
    }

    /// Makes the next key and moves the schedule into the past, so that it signs as soon as it is read.
    pub(crate) fn rotate_at_once(&self) {
        let directory = self.keys();
        let made = run_to_end(
            BINARY,
            &["keys", "rotate", "--directory", directory.to_str().unwrap(), "--jwks-cache", "1h"],
            &[],
        );
        assert_eq!(made.code(), Some(0), "{}", made.stderr);
        let file = directory.join("schedule.json");
        let mut schedule: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let minutes_ago = |minutes: i64| {
            let micros = SystemClock.now().unix_micros() - minutes * 60_000_000;
            json!(mint_types::Timestamp::from_unix_micros(micros))
        };
        for (number, published, active) in [(0, 180, 180), (1, 120, 1)] {
            schedule["keys"][number]["published_at"] = minutes_ago(published);
            schedule["keys"][number]["active_from"] = minutes_ago(active);
        }
        std::fs::write(&file, schedule.to_string()).unwrap();
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)]) -> Seen {
        let mut request = Request::post(format!("{}{path}", self.issuer()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.http.send(request.body(Bytes::new()).unwrap(), LIMIT, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Seen { status: answer.status.as_u16(), body }
    }

    pub(crate) async fn post_as(&self, path: &str, session: &str) -> Seen {
        self.post(path, &[("authorization", &format!("Bearer {session}"))]).await
    }

    /// One call of STS as it stands: status and body.
    pub(crate) async fn sts(&self, form: &[(&str, &str)]) -> (u16, String) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("Version", "2011-06-15").extend_pairs(form);
        let request = Request::post(format!("http://{}/sts", self.sandbox.address()))
            .body(Bytes::from(body.finish()))
            .unwrap();
        let answer = self.http.send(request, LIMIT, 1 << 20).await.unwrap();
        (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// The exchange that a client makes itself.
    pub(crate) async fn exchange(&self, role: &str, token: &str) -> Result<aws_sdk_s3::Client, String> {
        let (status, body) = self
            .sts(&[
                ("Action", "AssumeRoleWithWebIdentity"),
                ("RoleArn", role),
                ("RoleSessionName", "test"),
                ("WebIdentityToken", token),
            ])
            .await;
        if status != 200 {
            return Err(element(&body, "Code"));
        }
        let part = |name| element(&body, name);
        Ok(self.s3(&part("AccessKeyId"), &part("SecretAccessKey"), &part("SessionToken")))
    }

    pub(crate) fn s3(&self, access_key: &str, secret: &str, token: &str) -> aws_sdk_s3::Client {
        let credentials = Credentials::new(access_key, secret, Some(token.to_owned()), None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.sandbox.s3_address()))
            .force_path_style(true)
            .region(Region::new(REGION))
            .credentials_provider(credentials)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Puts an object as the distributor, which alone may.
    pub(crate) async fn deliver(&self, key: &str) {
        let token = std::fs::read_to_string(self.data().join("run/tokens/distributor/token")).unwrap();
        let writer = self.exchange("arn:aws:iam::000000000000:role/mint-distributor", &token).await.unwrap();
        let body = format!("what is in {key}").into_bytes();
        writer.put_object().bucket(BUCKET).key(key).body(body.into()).send().await.unwrap();
    }

    /// How often STS was asked so far.
    pub(crate) async fn exchanges(&self) -> usize {
        let request = Request::get(format!("http://{}/calls?since=0", self.sandbox.address()));
        let answer = self.http.send(request.body(Bytes::new()).unwrap(), LIMIT, 8 << 20).await.unwrap();
        String::from_utf8_lossy(&answer.body).matches("sts.AssumeRoleWithWebIdentity").count()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Iam {
    fn start() -> Self {
        let key = EncodingKey::from_ec_der(&rcgen::KeyPair::generate().unwrap().serialize_der());
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let kid = "iam-1".to_owned();
        jwk.common.key_id = Some(kid.clone());
        let set = json!({"keys": [jwk]}).to_string();
        let is_down = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_down);
        let stub = HttpStub::start(move |_| {
            let answers = !told.load(Ordering::SeqCst);
            if answers { StubAnswer::status(200, &set) } else { StubAnswer::status(503, "down") }
        });
        Self { stub, is_down, key, kid }
    }
}

fn signed(key: &EncodingKey, kid: &str, claims: &Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

pub(crate) fn element(body: &str, name: &str) -> String {
    let (_, rest) = body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {body}"));
    rest.split_once('<').unwrap().0.to_owned()
}
