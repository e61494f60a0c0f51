//! The binary itself.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::REGISTRY;
use crate::wire::{basic_header, password_form, read_secret, send, user};

fn sandbox(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mint-sandbox"));
    command.arg("--data").arg(directory.join("data"));
    command.arg("--registry").arg(directory.join("registry.yaml"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("MINT_LOG", "info");
    command
}

fn refused(registry: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("registry.yaml"), registry).unwrap();
    let output = sandbox(directory.path()).args(arguments).output().unwrap();
    assert!(output.stdout.is_empty(), "data goes to stdout, talk to stderr");
    output
}

#[test]
fn an_unknown_key_of_the_registry_is_exit_64_and_a_sentence_that_names_it() {
    let output = refused(&REGISTRY.replace("password_grace", "pasword_grace"), &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("pasword_grace"));
}

#[test]
fn a_registry_file_that_is_not_there_is_exit_64_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let output = sandbox(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("registry.yaml"));
    assert!(!directory.path().join("data").exists(), "nothing is made for a world that cannot be");
}

#[test]
fn help_names_every_flag_and_succeeds() {
    let output = Command::new(env!("CARGO_BIN_EXE_mint-sandbox")).arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in ["--data", "--registry", "--listen", "--s3-listen", "--default-region", "--die-with-parent"] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn an_unknown_flag_is_exit_64() {
    let output = refused(REGISTRY, &["--registri"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--registri"));
}

#[test]
fn a_listener_outside_of_this_machine_is_refused() {
    for flag in ["--listen", "--s3-listen"] {
        let output = refused(REGISTRY, &[flag, "0.0.0.0:0"]);
        assert_eq!(output.status.code(), Some(64));
        assert!(String::from_utf8_lossy(&output.stderr).contains("not on this machine"));
    }
}

#[test]
fn a_port_in_use_is_exit_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = refused(REGISTRY, &["--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(output.status.code(), Some(69));
}

/// A running process, killed at the end.
struct Process {
    child: Child,
    address: String,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Process {
    fn start(directory: &Path) -> Self {
        std::fs::write(directory.join("registry.yaml"), REGISTRY).unwrap();
        let mut child = sandbox(directory).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"serving\"") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
        }
        let entry: Value = serde_json::from_str(&line).unwrap();
        let address = entry["fields"]["address"].as_str().unwrap().to_owned();
        Self { child, address, stderr }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Processor time of the process so far, in hundredths of a second (Linux's USER_HZ).
    fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

#[tokio::test]
async fn it_ends_gracefully_on_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let healthy = send(&client, &process.url("/healthz"), Method::GET, &[], "").await.unwrap();
    assert_eq!(healthy.status, 200);
    let pid = Pid::from_child(&process.child);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    process.stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"ended\"") && !rest.contains("still open"), "{rest}");
}

#[tokio::test]
async fn it_ends_when_the_process_that_started_it_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("registry.yaml"), REGISTRY).unwrap();
    let direct = sandbox(directory.path());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "\"$@\" --die-with-parent & wait", "sh"])
        .arg(direct.get_program())
        .args(direct.get_args());
    let mut parent = shell.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(parent.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"serving\"") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended too early");
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    // The pipe ends when the last process that holds it has ended.
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("the parent process has ended"), "{rest}");
    assert!(rest.contains("\"ended\""), "{rest}");
}

const LOGINS: u64 = 100;
/// Fifty logins a second on one core are two hundredths of a second for each.
const TICKS_PER_LOGIN: u64 = 2;

#[tokio::test]
async fn a_login_costs_less_than_a_fiftieth_of_a_second_of_one_core() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let data = directory.path().join("data");
    let bearer =
        |principal: &str| format!("Bearer {}", read_secret(&data, &format!("{principal}/issuer-token")));
    let url = process.url("/service-user/services/stups_ledger");
    let (provisioner, rotator) = (bearer("identity-provisioner"), bearer("rotator"));
    let body = user("stups_ledger", &["uid"], true).to_string();
    send(&client, &url, Method::PUT, &[("authorization", &provisioner)], &body).await.unwrap();
    let authorized = [("authorization", rotator.as_str())];
    let made =
        send(&client, &format!("{url}/password"), Method::POST, &authorized, "{}").await.unwrap().json();
    let asked = json!({"id": "stups_ledger", "client_id": null}).to_string();
    let oauth =
        send(&client, &format!("{url}/client"), Method::POST, &authorized, &asked).await.unwrap().json();
    let basic =
        basic_header((oauth["client_id"].as_str().unwrap(), oauth["client_secret"].as_str().unwrap()));
    let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let form = password_form("stups_ledger", made["password"].as_str().unwrap());
    let before = process.cpu_ticks();
    for _ in 0..LOGINS {
        let answer =
            send(&client, &process.url("/oauth2/token"), Method::POST, &headers, &form).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ticks = process.cpu_ticks() - before;
    assert!(ticks < LOGINS * TICKS_PER_LOGIN, "{LOGINS} logins took {ticks} hundredths of a second");
}
