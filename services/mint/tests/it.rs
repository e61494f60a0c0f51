//! The real executable, from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's own functions")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use assert_cmd::Command;
use mint_testkit::{HttpStub, StubAnswer};
use predicates::prelude::*;
use predicates::str::contains;

fn mint() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mint"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// A directory with `mint` alone. A link: a copy is busy while any other thread of this test starts a process.
fn mint_alone() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::hard_link(env!("CARGO_BIN_EXE_mint"), directory.path().join("mint")).unwrap();
    directory
}

/// A directory with `mint` and programs that stand in for the others: `script` is what each of them does.
fn constellation(script: &str) -> tempfile::TempDir {
    let directory = mint_alone();
    let services = [
        "registry-sync",
        "identity-provisioner",
        "rotator",
        "distributor",
        "coordinator",
        "audit",
        "broker",
        "sandbox",
    ];
    for name in services {
        let path = directory.path().join(format!("mint-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

fn up(directory: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(directory.join("mint"));
    command.env_clear().env("PATH", "/usr/bin:/bin").arg("up").arg("--data").arg(directory.join("data"));
    command
}

/// A `mint up` that does not outlive its test, whichever way that ends.
struct Started(std::process::Child);

impl Started {
    fn up(directory: &Path) -> Self {
        Self(up(directory).stderr(std::process::Stdio::null()).spawn().unwrap())
    }

    fn end(&mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end(rustix::process::Signal::TERM);
        }
    }
}

fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it did not come true");
}

#[test]
fn help_tells_the_commands_and_the_exit_codes() {
    let commands = contains("up").and(contains("status")).and(contains("rotate")).and(contains("audit"));
    mint()
        .arg("--help")
        .assert()
        .code(0)
        .stdout(commands.and(contains("69  an executable is missing")))
        .stderr("");
}

#[test]
fn a_wrong_command_line_is_64_and_says_so_on_stderr() {
    mint().args(["status", "--outptu", "json"]).assert().code(64).stdout("").stderr(contains("--outptu"));
    mint().args(["app", "set", "kio", "--bucket", "NO"]).assert().code(64).stderr(contains("bucket name"));
}

#[test]
fn a_missing_executable_is_named_with_the_command_that_builds_it() {
    let directory = mint_alone();
    Command::new(directory.path().join("mint"))
        .args(["up", "--data"])
        .arg(directory.path().join("data"))
        .assert()
        .code(69)
        .stdout("")
        .stderr(contains("mint-sandbox").and(contains("cargo build --locked --workspace --bins")));
    assert!(!directory.path().join("data").exists(), "nothing is laid out");
}

#[test]
fn a_bad_registry_file_is_refused_by_the_name_of_its_key() {
    let directory = constellation("exec sleep 60");
    let file = directory.path().join("registry.yaml");
    std::fs::write(&file, "teams: []\napplications: []\nworlds: {}\n").unwrap();
    let output = up(directory.path()).arg("--registry").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("worlds") && said.contains("registry.yaml"), "{said}");
}

#[test]
fn without_a_world_a_command_is_69_and_says_how_to_start_one() {
    mint()
        .args(["status", "--data", "/nowhere"])
        .assert()
        .code(69)
        .stdout("")
        .stderr(contains("mint up --data /nowhere"));
}

#[test]
fn a_second_at_once_on_the_same_data_is_refused_and_the_first_goes_on() {
    let directory = constellation("echo \"$0 $@\" >&2; exec sleep 60");
    let mut first = Started::up(directory.path());
    let pid = directory.path().join("data/run/sandbox.pid");
    eventually(|| pid.exists());
    let second = up(directory.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    assert!(String::from_utf8(second.stderr).unwrap().contains("another mint up"));
    assert!(first.0.try_wait().unwrap().is_none(), "the first goes on");
    let log = std::fs::read_to_string(directory.path().join("data/run/logs/sandbox.log")).unwrap();
    assert!(log.contains("--die-with-parent") && log.contains("--s3-listen 127.0.0.1:"), "{log}");

    assert_eq!(first.end(rustix::process::Signal::TERM).code(), Some(0));
    assert!(!pid.exists(), "its child has ended");
}

#[test]
fn a_world_is_laid_out_without_a_secret_of_the_issuer() {
    let directory = constellation("exec sleep 60");
    let mut world = Started::up(directory.path());
    let data = directory.path().join("data");
    eventually(|| data.join("run/sandbox.pid").exists());
    for place in ["operators/operator", "operators/second", "run/tls/rotator"] {
        for file in ["cert.pem", "key.pem"] {
            let path = data.join(place).join(file);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    assert!(!data.join("endpoints.json").exists(), "nothing serves yet");
    // the issuer writes its secrets itself: what is there is the provisioner's own key for permits
    let secrets: Vec<_> = std::fs::read_dir(data.join("run/secrets")).unwrap().flatten().collect();
    let names: Vec<_> = secrets.iter().map(std::fs::DirEntry::file_name).collect();
    assert_eq!(names, ["identity-provisioner"]);
    let files: Vec<_> = std::fs::read_dir(secrets[0].path()).unwrap().flatten().collect();
    assert_eq!(files.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(), ["statement.key"]);
    world.end(rustix::process::Signal::INT);
}

#[test]
fn a_child_that_refuses_its_configuration_ends_the_world_with_78() {
    let directory = constellation("echo 'the key x is unknown' >&2; exit 64");
    let output = up(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("sandbox | the key x is unknown") && said.contains("CHILD_FAILED"), "{said}");
}

/// A file below a directory of the test's own.
fn written(directory: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const EXAMPLE_ACCOUNTS: &str = include_str!("../../../deploy/aws/example.toml");

fn rendering(config: &Path, out: &Path) -> Command {
    let mut command = mint();
    command.args(["policy", "render", "--config"]).arg(config).arg("--out").arg(out);
    command
}

#[test]
fn the_policies_of_a_configuration_are_written_below_a_directory_and_are_clean() {
    let directory = tempfile::tempdir().unwrap();
    let config = written(&directory, "aws.toml", EXAMPLE_ACCOUNTS);
    let out = directory.path().join("out");
    for _ in 0..2 {
        rendering(&config, &out).assert().code(0).stdout("").stderr(contains("26 files are in"));
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/aws/example");
    let trust = "teams/payments/mint-tagged-reader/trust.json";
    let rendered = std::fs::read(out.join(trust)).unwrap();
    assert_eq!(rendered, std::fs::read(example.join(trust)).unwrap());
    mint().args(["policy", "lint"]).arg(out.join(trust)).assert().code(0).stdout("").stderr("");
    // without a directory: one document, and a word that these are nobody's accounts
    let output = mint().args(["policy", "render"]).assert().code(0).stderr(contains("built-in example"));
    let printed: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(printed[trust], serde_json::from_slice::<serde_json::Value>(&rendered).unwrap());
}

#[test]
fn a_bad_configuration_of_accounts_is_refused_by_the_name_of_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    for (from, to, named) in [
        ("audience =", "audiences =", "`audiences`"),
        ("\"222222222222\"", "\"22222222222\"", "account_id"),
        ("tag_key = \"mint_application\"", "tag_key = \"*\"", "teams.payments.broker.tag_key"),
    ] {
        let config = written(&directory, "aws.toml", &EXAMPLE_ACCOUNTS.replacen(from, to, 1));
        rendering(&config, &out)
            .assert()
            .code(64)
            .stdout("")
            .stderr(contains(named).and(contains("aws.toml")).and(contains("deploy/aws/example.toml")));
    }
    assert!(!out.exists(), "nothing is written");
    mint().args(["policy", "render", "--config", "/nowhere"]).assert().code(64).stderr(contains("/nowhere"));
}

#[test]
fn what_another_configuration_left_behind_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    std::fs::create_dir_all(out.join("teams/gone")).unwrap();
    std::fs::write(out.join("teams/gone/trust.json"), "{}").unwrap();
    mint()
        .args(["policy", "render", "--out"])
        .arg(&out)
        .assert()
        .code(64)
        .stderr(contains("teams/gone/trust.json").and(contains("nothing is written")));
    assert!(!out.join("mint").exists());
}

#[test]
fn findings_are_lines_with_1_and_what_cannot_be_read_is_64_and_stops_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let statement = r#"{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team/abc*"}"#;
    let open = written(
        &directory,
        "open.json",
        &format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#),
    );
    let other = written(&directory, "other.json", r#"{"Document": {}}"#);
    let line = format!("{}: statement Read: SLASH_MISSING: ", open.display());
    mint()
        .args(["policy", "lint"])
        .arg(&open)
        .assert()
        .code(1)
        .stdout(predicates::str::starts_with(line.clone()).and(contains("end the directory with a slash\n")))
        .stderr("");
    mint()
        .args(["policy", "lint"])
        .args([&other, &open])
        .arg("/nowhere")
        .assert()
        .code(64)
        .stdout(predicates::str::starts_with(line))
        .stderr(contains("other.json: it is no policy document").and(contains("/nowhere")));
    let output = mint().args(["policy", "lint", "--output", "json"]).arg(&open).assert().code(1);
    let found: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!((&found[0]["code"], &found[0]["statement"]), (&"SLASH_MISSING".into(), &"Read".into()));
    mint().args(["policy", "lint"]).assert().code(64);
}

/// Stands in for the broker over HTTP: one session is known.
fn broker() -> HttpStub {
    HttpStub::start(|request| {
        if request.header("authorization") != "Bearer the-session" {
            let refusal = r#"{"error": "unauthorized", "message": "the session is not taken"}"#;
            return StubAnswer::status(401, refusal);
        }
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/mint-aws-creds"));
        StubAnswer::status(
            200,
            r#"{"access_key_id": "ASIAKIO", "secret_access_key": "hunter/two+", "session_token": "the//token==",
                "expiration": "2126-11-22T10:00:00Z", "wallet": "kio", "audit_record_id": "7"}"#,
        )
    })
}

/// `mint aws-credentials kio` with a session that lies in a file.
fn aws_credentials(directory: &tempfile::TempDir, broker: &HttpStub, session: &str) -> Command {
    let session = written(directory, "session", session);
    let mut command = mint();
    command.args(["aws-credentials", "kio", "--broker-url", broker.url(), "--session"]).arg(session);
    command
}

#[test]
fn a_command_gets_the_credentials_in_its_environment_and_nothing_else_of_aws() {
    let (directory, broker) = (tempfile::tempdir().unwrap(), broker());
    let mut command = aws_credentials(&directory, &broker, "the-session\n");
    command.env("AWS_PROFILE", "admin").env("AWS_WEB_IDENTITY_TOKEN_FILE", "/x").env("AWS_ROLE_ARN", "y");
    command.env("AWS_REGION", "eu-west-1");
    let output =
        command.args(["--", "sh", "-c", "env | grep ^AWS_ | sort; exit 7"]).assert().code(7).stderr("");
    assert_eq!(
        String::from_utf8_lossy(&output.get_output().stdout),
        "AWS_ACCESS_KEY_ID=ASIAKIO\nAWS_CREDENTIAL_EXPIRATION=2126-11-22T10:00:00Z\nAWS_EC2_METADATA_DISABLED=true\n\
         AWS_REGION=eu-west-1\nAWS_SECRET_ACCESS_KEY=hunter/two+\nAWS_SESSION_TOKEN=the//token==\n"
    );
    let mut command = aws_credentials(&directory, &broker, "the-session");
    command.args(["--", "/nowhere/at-all"]).assert().code(64).stdout("").stderr(contains("/nowhere/at-all"));
}

#[test]
fn credentials_are_printed_for_a_shell_and_as_a_credential_process_does() {
    let (directory, broker) = (tempfile::tempdir().unwrap(), broker());
    let mut command = aws_credentials(&directory, &broker, "the-session");
    command.assert().code(0).stderr("").stdout(contains("export AWS_SECRET_ACCESS_KEY='hunter/two+'\n"));
    let output =
        aws_credentials(&directory, &broker, "the-session").args(["--output", "json"]).assert().code(0);
    let document: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let expected = serde_json::json!({"Version": 1, "AccessKeyId": "ASIAKIO", "SecretAccessKey": "hunter/two+",
        "SessionToken": "the//token==", "Expiration": "2126-11-22T10:00:00Z"});
    assert_eq!(document, expected);
}

#[test]
fn who_gets_no_credentials_is_told_why_by_its_exit_code_and_no_command_runs() {
    let (directory, broker) = (tempfile::tempdir().unwrap(), broker());
    let refused = |session: &str, code: i32, said: &str| {
        let mut command = aws_credentials(&directory, &broker, session);
        let assert = command.args(["--", "echo", "it ran"]).assert().code(code).stdout("");
        assert.stderr(contains(said).and(contains("the-other-session").not()));
    };
    refused("the-other-session", 77, "the session is not taken");
    refused("", 64, "holds no bearer token");
    refused("two words", 64, "holds no bearer token");
    let mut other = mint();
    other.args(["aws-credentials", "ledger", "--broker-url", broker.url(), "--session"]);
    other.arg(written(&directory, "session", "the-session"));
    other
        .assert()
        .code(64)
        .stdout("")
        .stderr(contains("\"kio\", not for ledger").and(contains("hunter").not()));
    let nobody = HttpStub::start(|_| StubAnswer::HangUp);
    aws_credentials(&directory, &nobody, "the-session").assert().code(69).stdout("");
    let mut serving = aws_credentials(&directory, &broker, "the-other-session");
    serving.args(["--serve", "--", "echo", "it ran"]).assert().code(77).stdout("");
    let mut alone = aws_credentials(&directory, &broker, "the-session");
    alone.arg("--serve").assert().code(64).stderr(contains("CMD"));
}

#[test]
fn while_a_command_runs_an_sdk_finds_an_endpoint_and_no_key_and_afterwards_nobody_listens() {
    let (directory, broker) = (tempfile::tempdir().unwrap(), broker());
    let script = "env | grep ^AWS_ | cut -d= -f1 | sort; echo $AWS_CONTAINER_CREDENTIALS_FULL_URI; \
                  curl -s -H \"Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN\" $AWS_CONTAINER_CREDENTIALS_FULL_URI; \
                  kill -TERM $$";
    let mut command = aws_credentials(&directory, &broker, "the-session");
    command.env("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODY").env("AWS_SECRET_ACCESS_KEY", "x");
    let output = command.args(["--serve", "--", "sh", "-c", script]).assert().code(128 + 15).stderr("");
    let said = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "AWS_CONFIG_FILE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_SHARED_CREDENTIALS_FILE"
        ]
    );
    let document: serde_json::Value = serde_json::from_str(lines[6]).unwrap();
    assert_eq!((&document["AccessKeyId"], &document["Token"]), (&"ASIAKIO".into(), &"the//token==".into()));
    let address = lines[5].strip_prefix("http://").unwrap().strip_suffix("/credentials").unwrap();
    assert!(address.starts_with("127.0.0.1:") && std::net::TcpStream::connect(address).is_err());
    assert_eq!(broker.requests().len(), 1, "fetched before the command began, and kept");
}
