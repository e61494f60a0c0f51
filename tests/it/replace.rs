//! An issuer that knows one value at a time (*replace*): Glewlwyd's client secrets. Applications log in all the time; what
//! is shut out is shut out within the measured window only, and other buckets' refusals do not lengthen it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use mint_api::convert::timestamp_from_wire;
use mint_api::rotation::v1::rotation_service_client::RotationServiceClient;
use mint_api::rotation::v1::{ListVersionsRequest, Version};
use mint_api::types::v1::CredentialKind;
use mint_tests::application::{Application, Login, eventually};
use mint_tests::client;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, completed_rotations};
use mint_types::ServiceName;

pub(crate) mod issuer;

use issuer::Glewlwyd;

const APPLICATIONS: [&str; 2] = ["first", "second"];
/// This one's second bucket refuses.
const HALF: &str = "half";

/// Asks for a token as a client.
async fn grant(token_url: &str, client: (&str, &str), fields: &[(&str, &str)]) -> Result<(), String> {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", client.0, client.1));
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(token_url)
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form)))
        .map_err(|error| error.to_string())?;
    let answer = client::send(request).await?;
    match answer.status {
        StatusCode::OK => Ok(()),
        status => Err(format!("{status} {}", String::from_utf8_lossy(&answer.body))),
    }
}

pub(crate) async fn by_client(token_url: &str, login: &Login) -> Result<(), String> {
    let client = (login.client_id.as_str(), login.client_secret.as_str());
    grant(token_url, client, &[("grant_type", "client_credentials"), ("scope", "uid")]).await
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 292277")
}

/// What a loop of logins saw: how many, and which failed from when to when.
#[derive(Debug, Default)]
struct Seen {
    logins: u64,
    passwords: Vec<String>,
    clients: Vec<(i64, i64, String)>,
}

/// While it stores a changed list of passwords, a real Glewlwyd accepts none of the user's for as long as it hashes. Whoever
/// is refused then and asks again is let in.
const BLINK: Duration = Duration::from_secs(2);

/// Fetches before every login, as an application must at such an issuer.
async fn log_in_until(
    application: Application,
    token_url: String,
    (prober, blinks): ((String, String), bool),
    stop: Arc<AtomicBool>,
) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let begun = now();
        match application.login().await {
            Ok(login) => {
                let fields = [
                    ("grant_type", "password"),
                    ("username", login.username.as_str()),
                    ("password", login.password.as_str()),
                    ("scope", "uid"),
                ];
                let by_client = by_client(&token_url, &login).await;
                seen.clients.extend(by_client.err().map(|error| (begun, now(), error)));
                let mut by_password = grant(&token_url, (&prober.0, &prober.1), &fields).await;
                if by_password.is_err() && blinks {
                    tokio::time::sleep(BLINK).await;
                    by_password = grant(&token_url, (&prober.0, &prober.1), &fields).await;
                }
                seen.passwords.extend(by_password.err());
                seen.logins += 2;
            }
            Err(error) => seen.passwords.push(format!("fetch: {error}")),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    seen
}

async fn versions(world: &World, id: &str) -> Vec<Version> {
    let mut rotator = RotationServiceClient::new(world.channel(ServiceName::Rotator, &world.operator()));
    let request = ListVersionsRequest { application_id: id.to_owned() };
    rotator.list_versions(request).await.expect("the ledger").into_inner().versions
}

fn micros(duration: prost_types::Duration) -> i64 {
    duration.seconds * 1_000_000 + i64::from(duration.nanos) / 1000
}

/// Between the issuer's answer to the set, where the measured window ends, and the receipt's acceptance, which the ledger
/// tells, the rotator logs in once.
const LOGIN: i64 = 3_000_000;

/// Between when and when each client secret was at a destination and not at the issuer, as the rotator measured it.
fn windows(versions: &[Version]) -> Vec<(i64, i64)> {
    let window = |version: &Version| {
        let length = micros(version.replace_window?);
        let end = timestamp_from_wire(version.delivered_at.as_ref()?).unix_micros();
        Some((end - length - LOGIN, end))
    };
    versions.iter().filter_map(window).collect()
}

async fn boot(issuer: impl FnOnce(&Path) -> Glewlwyd) -> (World, Glewlwyd, tempfile::TempDir) {
    let directory = tempfile::Builder::new().prefix("mint-replace-").tempdir().expect("a directory");
    let data = directory.path().join("data");
    let glewlwyd = issuer(&data);
    let entries = [
        Entry::new(APPLICATIONS[0]),
        Entry::new(APPLICATIONS[1]),
        Entry::new(HALF).buckets(&["team-credentials", "team-shut"]),
    ];
    let world = World::boot(Options {
        registry: Some(registry(&entries, &["refuse_writes: [team-shut]"])),
        arguments: ["--min-overlap", "5s", "--lease", "5s"].map(ToOwned::to_owned).to_vec(),
        environment: glewlwyd.environment(),
        data: Some(data),
        ..Options::default()
    })
    .await;
    glewlwyd.provide_prober().await;
    (world, glewlwyd, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_setting_replaces_no_password_login_fails_and_no_client_login_outside_of_the_measured_window() {
    rotate_under_logins(boot(Glewlwyd::in_world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Glewlwyd: tests/peers/glewlwyd.sh"]
async fn a_real_glewlwyd_keeps_users_and_clients_and_rotates_them_under_logins() {
    let secrets = tempfile::tempdir().expect("a directory");
    rotate_under_logins(boot(|_| Glewlwyd::real(secrets.path())).await).await;
}

#[expect(clippy::print_stdout, reason = "how many logins there were is what a reader of the run asks")]
async fn rotate_under_logins((world, glewlwyd, _directory): (World, Glewlwyd, tempfile::TempDir)) {
    world.until_at_rest(&APPLICATIONS, Duration::from_mins(3)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut loops = Vec::new();
    for id in APPLICATIONS {
        let application = Application::open(world.data(), id).await;
        let prober = (glewlwyd.prober(), glewlwyd.is_real);
        let logins = log_in_until(application, glewlwyd.token_url(), prober, Arc::clone(&stop));
        loops.push((id, tokio::spawn(logins)));
    }
    for round in 2..=3 {
        for id in APPLICATIONS {
            world.rotate(id, &[CredentialKind::Password, CredentialKind::Client]).await;
        }
        for id in APPLICATIONS {
            let done = |status: &_| completed_rotations(status) >= round;
            world.until(id, "rotated once more", Duration::from_mins(2), done).await;
        }
        world.until_at_rest(&APPLICATIONS, Duration::from_mins(2)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for (id, logins) in loops {
        let seen = logins.await.expect("a loop does not panic");
        assert!(seen.logins >= 20, "{id}: {} logins prove little", seen.logins);
        assert!(seen.passwords.is_empty(), "{id}: {:?}", seen.passwords);
        let versions = versions(&world, id).await;
        let windows = windows(&versions);
        assert_eq!(windows.len(), 3, "{id}: every secret's window is measured: {versions:?}");
        for (begun, ended, error) in &seen.clients {
            let is_inside = windows.iter().any(|(from, to)| begun <= to && from <= ended);
            assert!(is_inside, "{id}: {error} from {begun} to {ended}, outside of {windows:?}");
        }
        let lengths = versions.iter().filter_map(|version| version.replace_window).map(micros);
        let longest = lengths.max().expect("three");
        assert!(longest <= 30_000_000, "{id}: shut out for {longest} us");
        println!("{id}: {} logins, {} within windows of {windows:?}", seen.logins, seen.clients.len());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_does_not_keep_the_issuer_from_what_another_one_holds() {
    let (world, glewlwyd, _directory) = boot(Glewlwyd::in_world).await;
    let refused = |status: &mint_api::coordination::v1::ApplicationStatus| {
        status.problems.iter().any(|problem| problem.r#type == "destination_refused")
    };
    world.until(HALF, "refused by one bucket", Duration::from_mins(3), refused).await;
    let application = Application::open(world.data(), HALF).await;
    let token_url = glewlwyd.token_url();
    eventually("what the other bucket holds logs in", Duration::from_secs(30), || async {
        let client = application.fetch_from("team-credentials", "client.json").await.ok()?;
        let text = |field: &str| client[field].as_str().map(ToOwned::to_owned);
        let login = Login {
            username: String::new(),
            password: String::new(),
            client_id: text("client_id")?,
            client_secret: text("client_secret")?,
        };
        by_client(&token_url, &login).await.ok()
    })
    .await;
    let window = eventually("the window is measured", Duration::from_secs(30), || async {
        versions(&world, HALF).await.iter().find_map(|version| version.replace_window)
    })
    .await;
    assert!(micros(window) <= 30_000_000, "{window:?}");
    assert!(refused(&world.status(HALF).await), "the other bucket stays a problem");
    world.stop().await;
}
