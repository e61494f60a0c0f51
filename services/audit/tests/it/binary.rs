use std::path::PathBuf;
use std::time::Duration;

use mint_api::WireFault;
use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::audit::v1::{Act, AppendRequest, ListEntriesRequest, Outcome, Phase};
use mint_runtime::{Channel, client};
use mint_testkit::{SeededEntropy, ServiceUnderTest, TestPki, free_port, run_to_end};
use mint_types::{RequestId, ServiceName};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_mint-audit");
const LIMIT: Duration = Duration::from_secs(30);

struct World {
    directory: TempDir,
    pki: TestPki,
    port: u16,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pki = TestPki::new(directory.path().join("pki"), &"mint.local".parse().unwrap());
        Self { directory, pki, port: free_port() }
    }

    fn config(&self, more: &str) -> PathBuf {
        let own = self.pki.service(ServiceName::Audit);
        let file = self.directory.path().join("audit.toml");
        let text = format!(
            "listen = \"127.0.0.1:{}\"\ntrust_domain = \"mint.local\"\ndrain = \"2s\"\n{more}\n\
             [tls]\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\n[state]\nurl = \"sqlite://{}/state.db\"\n",
            self.port,
            self.pki.ca().display(),
            own.cert.display(),
            own.key.display(),
            self.directory.path().display(),
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    fn client(&self, principal: &str) -> AuditServiceClient<Channel> {
        let own = self.pki.issue_path(principal);
        let url = format!("https://localhost:{}", self.port).parse().unwrap();
        let channel = client::connect(&url, self.pki.ca(), own.cert, own.key, None, ServiceName::Audit);
        AuditServiceClient::new(channel.unwrap())
    }
}

fn announcement(entropy: &SeededEntropy) -> AppendRequest {
    AppendRequest {
        phase: Phase::Init.into(),
        act: Some(Act {
            action: "credential.create".into(),
            application_id: "kio".into(),
            kind: 1,
            resource: "stups_kio".into(),
            rotation_id: String::new(),
            request_id: RequestId::random(entropy).to_string(),
            ..Act::default()
        }),
        outcome: Outcome::Unspecified.into(),
        reason: String::new(),
        init_index: 0,
        entry_id: RequestId::random(entropy).to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_survives_sigkill_and_a_drain_exits_0() {
    let world = World::new();
    let config = world.config("");
    let mut service = ServiceUnderTest::with_config(BINARY, &config);
    service.wait_for_log("serving", LIMIT);
    let request = announcement(&SeededEntropy::default());
    let leaf = world.client("service/rotator").append(request.clone()).await.unwrap().into_inner();
    service.kill();

    let mut service = ServiceUnderTest::with_config(BINARY, &config);
    service.wait_for_log("serving", LIMIT);
    let again = world.client("service/rotator").append(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, leaf, "the same entry is the same leaf");

    let status = world.client("service/distributor").append(request).await.unwrap_err();
    let fault = WireFault::from_status(&status);
    assert_eq!(fault.reason, "ENTRY_CONFLICT", "another actor's: {fault}");
    let status = world.client("operator/operator").append(AppendRequest::default()).await.unwrap_err();
    assert_eq!(WireFault::from_status(&status).reason, "NOT_PERMITTED");

    let mut operator = world.client("operator/operator");
    let page = operator.list_entries(ListEntriesRequest::default()).await.unwrap().into_inner();
    assert_eq!((page.entries.len(), page.next_page_token.as_str()), (1, ""));
    let entry = &page.entries[0];
    assert_eq!(entry.actor, "spiffe://mint.local/service/rotator");
    assert_eq!((&entry.leaf_hash, entry.leaf_index), (&leaf.leaf_hash, leaf.leaf_index));
    for (page_size, page_token) in [(1001, ""), (1, "x"), (1, "-1")] {
        let request = ListEntriesRequest { page_size, page_token: page_token.into(), ..Default::default() };
        let status = operator.list_entries(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{page_size} {page_token:?}");
    }

    service.terminate();
    assert_eq!(service.wait(LIMIT).code(), Some(0), "{}", service.log());
    assert!(service.log().contains("draining"));
}

#[test]
fn an_unknown_key_exits_64_with_a_sentence_that_names_it() {
    let world = World::new();
    let config = world.config("retention = \"30d\"");
    let ended = run_to_end(BINARY, &["--config", config.to_str().unwrap()], &[]);
    assert_eq!(ended.code(), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("`retention` is unknown"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);

    let config = world.config("");
    let variable = ("MINT_AUDIT__STATE__RETENTION", "30d");
    let ended = run_to_end(BINARY, &["--config", config.to_str().unwrap()], &[variable]);
    assert_eq!(ended.code(), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("`MINT_AUDIT__STATE__RETENTION` is unknown"), "{}", ended.stderr);
}

/// Name, arguments, environment, exit code, a piece of what it says.
type Start<'a> = (&'a str, Vec<&'a str>, Vec<(&'a str, &'a str)>, i32, &'a str);

#[test]
fn what_is_wrong_at_the_start_has_its_exit_code() {
    let world = World::new();
    let good = world.config("");
    let good = good.to_str().unwrap();
    let key = world.directory.path().join("no-such-key.pem");
    let key = key.to_str().unwrap();
    let table: [Start<'_>; 9] = [
        ("no configuration", vec![], vec![], 64, "`listen` is missing"),
        ("no such file", vec!["--config", "/no/such.toml"], vec![], 64, "/no/such.toml"),
        ("an unknown flag", vec!["--verbose"], vec![], 64, "--verbose"),
        (
            "a peer",
            vec!["--config", good],
            vec![("MINT_AUDIT__PEERS__ROTATOR", "https://x:1")],
            64,
            "peers.rotator",
        ),
        (
            "plain http",
            vec!["--config", good],
            vec![("MINT_AUDIT__TELEMETRY__OTLP_ENDPOINT", "http://collector:4317")],
            64,
            "OTLP_ENDPOINT",
        ),
        (
            "a remote collector",
            vec!["--config", good],
            vec![("MINT_AUDIT__TELEMETRY__OTLP_ENDPOINT", "https://collector:4317")],
            64,
            "telemetry.otlp_endpoint",
        ),
        ("no key", vec!["--config", good], vec![("MINT_AUDIT__TLS__KEY", key)], 78, "no-such-key.pem"),
        (
            "no state",
            vec!["--config", good],
            vec![("MINT_AUDIT__STATE__URL", "sqlite:///dev/null/x.db")],
            69,
            "the state",
        ),
        (
            "no address",
            vec!["--config", good],
            vec![("MINT_AUDIT__LISTEN", "192.0.2.1:1")],
            69,
            "cannot listen",
        ),
    ];
    for (name, arguments, environment, code, text) in table {
        let ended = run_to_end(BINARY, &arguments, &environment);
        assert_eq!(ended.code(), Some(code), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{name}: {}", ended.stderr);
    }
}

#[test]
fn help_and_version_and_migrate_exit_0() {
    let world = World::new();
    let help = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(help.code(), Some(0));
    assert!(help.stdout.contains("MINT_AUDIT__") && help.stdout.contains("migrate"), "{}", help.stdout);
    let version = run_to_end(BINARY, &["--version"], &[]);
    assert!(version.code() == Some(0) && version.stdout.contains("mint-audit"), "{}", version.stdout);

    let config = world.config("");
    let config = config.to_str().unwrap();
    let not_migrated = ("MINT_AUDIT__STATE__MIGRATE", "false");
    let refused = run_to_end(BINARY, &["--config", config], &[not_migrated]);
    assert_eq!(refused.code(), Some(69), "{}", refused.stderr);
    assert!(refused.stderr.contains("migrate"), "{}", refused.stderr);
    let migrated = run_to_end(BINARY, &["migrate", "--config", config], &[not_migrated]);
    assert_eq!(migrated.code(), Some(0), "{}", migrated.stderr);
    let mut service = ServiceUnderTest::start(BINARY, &["--config", config], &[not_migrated]);
    service.wait_for_log("serving", LIMIT);
}

#[test]
fn with_the_flag_it_ends_with_its_parent() {
    let world = World::new();
    let config = world.config("");
    let script = format!("{BINARY} --die-with-parent --config {} & echo $!; wait", config.display());
    let mut parent = std::process::Command::new("sh")
        .args(["-c", &script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(parent.stdout.take().unwrap()), &mut line)
        .unwrap();
    let stat = PathBuf::from(format!("/proc/{}/stat", line.trim()));
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
    let listening = || std::net::TcpStream::connect(("127.0.0.1", world.port)).is_ok();
    wait_until(listening);
    assert!(lives());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until(|| !lives());
}

fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it did not happen in time");
}
