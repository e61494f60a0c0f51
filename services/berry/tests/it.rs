//! berry as a process, against somebody else's STS and S3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what cannot be set up fails the test")]

#[path = "it/reports.rs"]
mod reports;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mint_testkit::{Finished, HttpStub, ServiceUnderTest, StubAnswer, StubRequest, run_to_end};

const BINARY: &str = env!("CARGO_BIN_EXE_mint-berry");
const USER: &str = "{\"application_username\": \"u\", \"application_password\": \"mint-canary-pw-1\"}";
const CLIENT: &str = "{\"client_id\": \"c\", \"client_secret\": \"mint-canary-cs-1\"}";

/// What S3 answers below `/team-bucket/mint/shop/`: 0 no object yet, 1 both.
#[derive(Clone, Default)]
struct Switch(Arc<Mutex<u8>>);

fn sts() -> StubAnswer {
    StubAnswer::status(
        200,
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
         <SecretAccessKey>k</SecretAccessKey><SessionToken>s</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
    )
}

fn s3(request: &StubRequest, delivered: u8) -> StubAnswer {
    let (path, _) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let body = match (path, delivered) {
        ("/team-bucket/mint/shop/user.json", 1) => USER,
        ("/team-bucket/mint/shop/client.json", 1) => CLIENT,
        _ => return StubAnswer::status(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
    };
    let etag = format!("\"{}\"", body.len());
    if request.header("if-none-match") == etag {
        return StubAnswer::status(304, "").with("etag", &etag);
    }
    StubAnswer::status(200, body).with("etag", &etag)
}

struct World {
    stub: HttpStub,
    delivered: Switch,
    place: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let delivered = Switch::default();
        let now = delivered.clone();
        let stub = HttpStub::start(move |request| {
            if request.method == "POST" { sts() } else { s3(request, *now.0.lock().unwrap()) }
        });
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("token"), "header.claims.signature").unwrap();
        Self { stub, delivered, place }
    }

    fn deliver(&self) {
        *self.delivered.0.lock().unwrap() = 1;
    }

    /// Puts a file of static keys in place, by rename.
    fn keys(&self, text: &str, mode: u32) -> String {
        let (draft, file) = (self.place.path().join("keys.tmp"), self.place.path().join("keys"));
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(&draft, &file).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn directory(&self) -> PathBuf {
        self.place.path().join("credentials")
    }

    fn environment(&self) -> Vec<(String, String)> {
        let token = self.place.path().join("token").display().to_string();
        [
            ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/mint-reader-shop"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL_S3", self.stub.url()),
            ("AWS_ENDPOINT_URL_STS", self.stub.url()),
            ("MINT_APPLICATION", "shop"),
            ("MINT_BUCKET", "team-bucket"),
            ("MINT_PREFIX", "mint"),
            ("CREDENTIALS_DIR", self.directory().to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn run(&self, arguments: &[&str], changes: &[(&str, &str)]) -> Finished {
        let mut environment = self.environment();
        environment.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let mut all: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        run_to_end(BINARY, arguments, &all)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn once_fetches_everything_and_exits_0() {
    let world = World::new();
    world.deliver();
    let finished = world.run(&["--once"], &[]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(read(&world.directory().join("user.json")), USER);
    assert_eq!(read(&world.directory().join("client.json")), CLIENT);
    assert!(!finished.stderr.contains("canary"), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
}

#[test]
fn once_exits_1_if_a_file_failed_and_says_that_403_may_mean_absent() {
    let world = World::new();
    let finished = world.run(&["--once"], &[]);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("not there yet, or the role may not read it"), "{}", finished.stderr);
    let silent = world.run(&["--once", "-s"], &[]);
    assert_eq!((silent.code(), silent.stderr.as_str()), (Some(1), ""), "an absence is no error");
}

#[test]
fn flags_beat_the_environment() {
    let world = World::new();
    world.deliver();
    let finished = world.run(&["--once", "-a", "another"], &[]);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    let gets: Vec<_> = world.stub.requests().into_iter().filter(|request| request.method == "GET").collect();
    assert!(gets.iter().all(|request| request.target.starts_with("/team-bucket/mint/another/")), "{gets:?}");
}

#[test]
fn wait_stays_until_the_first_credentials_exist() {
    let world = World::new();
    let environment = world.environment();
    let all: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut berry = ServiceUnderTest::start(BINARY, &["--wait", "--once"], &all);
    berry.wait_for_log("absent", Duration::from_secs(10));
    world.deliver();
    let status = berry.wait(Duration::from_secs(20));
    assert!(status.success(), "{}", berry.log());
    assert_eq!(read(&world.directory().join("user.json")), USER);
}

#[test]
fn it_goes_on_polling_by_etag_and_ends_on_sigterm() {
    let world = World::new();
    world.deliver();
    let environment = world.environment();
    let all: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut berry = ServiceUnderTest::start(BINARY, &["-i", "1"], &all);
    let mut waited = 0;
    let conditional = |request: &StubRequest| !request.header("if-none-match").is_empty();
    while !world.stub.requests().iter().any(conditional) {
        assert!(waited < 500, "{}", berry.log());
        std::thread::sleep(Duration::from_millis(20));
        waited += 1;
    }
    berry.terminate();
    assert!(berry.wait(Duration::from_secs(5)).success(), "{}", berry.log());
}

#[test]
fn what_is_missing_or_refused_is_named_with_exit_64() {
    let world = World::new();
    for (arguments, changes, sentence) in [
        (&["--once"][..], &[("MINT_BUCKET", "")][..], "MINT_BUCKET"),
        (&["--once"], &[("MINT_APPLICATION", "../x")], "the application"),
        (&["--once"], &[("AWS_ROLE_ARN", "")], "AWS_ROLE_ARN"),
        (&["--once"], &[("AWS_SECRET_ACCESS_KEY", "canary")], "AWS_SECRET_ACCESS_KEY"),
        (&["--once"], &[("AWS_ENDPOINT_URL_S3", "http://s3.example.org")], "AWS_ENDPOINT_URL_S3"),
        (&["--once", "-c", "/nonexistent/keys"], &[], "CREDENTIALS_FILE_UNREADABLE"),
        (&["--once", "-c", "/dev/null"], &[], "not a regular file"),
        (&["--once", "--layout", "sealed"], &[], "split or combined"),
        (&["--once", "--nonsense"], &[], "--nonsense"),
        (&["--once", "-f", "/nonexistent/berry.yaml"], &[], "/nonexistent/berry.yaml"),
    ] {
        let finished = world.run(arguments, changes);
        assert_eq!(finished.code(), Some(64), "{sentence}: {}", finished.stderr);
        assert!(finished.stderr.contains(sentence), "{sentence}: {}", finished.stderr);
        assert!(!finished.stderr.contains("canary"), "{}", finished.stderr);
    }
}

const NO_ROLE: [(&str, &str); 2] = [("AWS_ROLE_ARN", ""), ("AWS_WEB_IDENTITY_TOKEN_FILE", "")];

/// The access key ids in the signatures of the requests so far.
fn signers(world: &World) -> Vec<String> {
    let of = |request: &StubRequest| {
        let header = request.header("authorization").to_owned();
        let (_, rest) = header.split_once("Credential=").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    };
    world.stub.requests().iter().map(of).collect()
}

#[test]
fn a_credentials_file_signs_and_no_web_identity_is_needed() {
    let world = World::new();
    world.deliver();
    let file = world.keys("other:AKIAOTHER:mint-canary-0\nshop:AKIAFIELD:mint-canary-1\n", 0o600);
    let finished = world.run(&["--once", "-c", &file], &NO_ROLE);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(read(&world.directory().join("user.json")), USER);
    assert_eq!(signers(&world), ["AKIAFIELD", "AKIAFIELD"], "two objects, and STS is not asked");
    assert!(!finished.stderr.contains("WARN"), "{}", finished.stderr);
}

#[test]
fn a_session_token_of_a_profile_is_sent() {
    let world = World::new();
    world.deliver();
    let text = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = mint-canary-0\n\
                [field]\naws_access_key_id = ASIAFIELD\naws_secret_access_key = mint-canary-1\n\
                aws_session_token = token-1\n";
    let file = world.keys(text, 0o600);
    let mut changes = NO_ROLE.to_vec();
    changes.push(("AWS_PROFILE", "field"));
    let finished = world.run(&["--once", "-c", &file], &changes);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(signers(&world), ["ASIAFIELD", "ASIAFIELD"]);
    let requests = world.stub.requests();
    assert!(requests.iter().all(|request| request.header("x-amz-security-token") == "token-1"));
}

#[test]
fn the_flag_wins_over_web_identity_and_says_so_and_a_file_that_others_read_is_a_warning() {
    let world = World::new();
    world.deliver();
    let file = world.keys("shop:AKIAFIELD:mint-canary-1\n", 0o644);
    let finished = world.run(&["--once", "-c", &file], &[("MINT_LOG", "trace")]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(signers(&world), ["AKIAFIELD", "AKIAFIELD"]);
    for part in ["IDENTITY_OVERRULED", "AWS_ROLE_ARN", "CREDENTIALS_FILE_NOT_PRIVATE", "0644"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("mint-canary"), "{}", finished.stderr);
}

#[test]
fn a_mixed_credentials_file_is_refused_by_its_line() {
    let world = World::new();
    let file = world.keys("shop:AKIAFIELD:mint-canary-1\n[default]\n", 0o600);
    let finished = world.run(&["--once", "-c", &file], &NO_ROLE);
    assert_eq!(finished.code(), Some(64), "{}", finished.stderr);
    for part in ["CREDENTIALS_FILE_MIXED", "line 2", file.as_str()] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("mint-canary"), "{}", finished.stderr);
    let elsewhere = world.run(&["--once", "-c", &file], &[("AWS_REGION", "")]);
    assert!(elsewhere.stderr.contains("AWS_REGION"), "{}", elsewhere.stderr);
}

#[test]
fn a_replaced_key_signs_the_next_poll() {
    let world = World::new();
    world.deliver();
    let file = world.keys("shop:AKIAFIRST:mint-canary-1\n", 0o600);
    let environment = world.environment();
    let all: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut berry = ServiceUnderTest::start(BINARY, &["-i", "1", "-c", &file], &all);
    let until = |signer: &str, berry: &ServiceUnderTest| {
        let mut waited = 0;
        while !signers(&world).iter().any(|seen| seen == signer) {
            assert!(waited < 500, "{signer}: {}", berry.log());
            std::thread::sleep(Duration::from_millis(20));
            waited += 1;
        }
    };
    until("AKIAFIRST", &berry);
    world.keys("shop:AKIASECOND:mint-canary-2\n", 0o600);
    until("AKIASECOND", &berry);
    berry.terminate();
    assert!(berry.wait(Duration::from_secs(5)).success(), "{}", berry.log());
    assert!(!berry.log().contains("mint-canary"), "{}", berry.log());
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_exit_73() {
    let world = World::new();
    let file = world.place.path().join("file");
    fs::write(&file, "").unwrap();
    let finished = world.run(&["--once", file.join("x").to_str().unwrap()], &[]);
    assert_eq!(finished.code(), Some(73), "{}", finished.stderr);
    assert!(finished.stderr.contains(file.to_str().unwrap()), "{}", finished.stderr);
}

#[test]
fn help_lists_the_flags_of_the_field() {
    let finished = run_to_end(BINARY, &["--help"], &[]);
    assert_eq!(finished.code(), Some(0));
    for flag in ["-f", "-a", "-m", "-c", "-i", "-s", "--once", "--wait", "--prefix", "--layout", "LOCAL_DIR"]
    {
        assert!(finished.stdout.contains(flag), "{flag}: {}", finished.stdout);
    }
}
