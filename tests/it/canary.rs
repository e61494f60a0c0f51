//! No plaintext leaves the processes that carry it: the sandbox issues recognisable secrets, and everything that a full
//! run at trace level leaves behind is searched for them, in every form in which they could hide.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use mint_api::audit::v1::ListEntriesRequest;
use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_api::coordination::v1::{ApplicationStatus, RotateApplicationRequest};
use mint_tests::application::Environment;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, at_rest, completed_rotations, executable};
use mint_types::ServiceName;

/// What every issued secret starts with.
const MARKER: &[u8] = b"mint-canary-";

/// The forms in which a marker could stand in a file.
fn forms() -> Vec<(String, Vec<u8>)> {
    let mut forms = vec![("raw".to_owned(), MARKER.to_vec())];
    let hex: String = hex::encode(MARKER);
    forms.push(("hex".to_owned(), hex.clone().into_bytes()));
    forms.push(("upper-case hex".to_owned(), hex.to_uppercase().into_bytes()));
    let decimals: Vec<String> = MARKER.iter().map(ToString::to_string).collect();
    forms.push(("byte list".to_owned(), decimals.join(", ").into_bytes()));
    forms.push(("compact byte list".to_owned(), decimals.join(",").into_bytes()));
    let escaped: Vec<String> = MARKER.iter().map(|byte| format!("\\u{byte:04x}")).collect();
    forms.push(("JSON escapes".to_owned(), escaped.concat().into_bytes()));
    let percent: Vec<String> = MARKER.iter().map(|byte| format!("%{byte:02X}")).collect();
    forms.push(("percent escapes".to_owned(), percent.concat().into_bytes()));
    for shift in 0..3_usize {
        // base64 of the marker at each alignment, without the characters that its neighbours touch
        let padded: Vec<u8> = std::iter::repeat_n(b'x', shift).chain(MARKER.iter().copied()).collect();
        for engine in [
            base64::engine::general_purpose::STANDARD_NO_PAD,
            base64::engine::general_purpose::URL_SAFE_NO_PAD,
        ] {
            let text = engine.encode(&padded);
            let clean = &text[if shift == 0 { 0 } else { 4 }..text.len() - text.len() % 4];
            forms.push((format!("base64 at {shift}"), clean.as_bytes().to_vec()));
        }
    }
    forms
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn finds(haystack: &[u8]) -> Option<String> {
    forms().into_iter().find(|(_, needle)| contains(haystack, needle)).map(|(form, _)| form)
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("entry").path();
        // berry's directories hold what the application may read: they are where the secrets belong
        if path.is_symlink() || path.ends_with("berry") {
            continue;
        }
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_search_finds_a_marker_in_every_form() {
    let secret = b"mint-canary-pw-0123456789abcdef";
    let standard = base64::engine::general_purpose::STANDARD;
    for prefix in ["", "a", "ab", "abc"] {
        let hidden = [prefix.as_bytes(), secret].concat();
        assert!(finds(standard.encode(&hidden).as_bytes()).is_some(), "base64 after {prefix:?}");
    }
    assert!(finds(format!("{:?}", secret.to_vec()).as_bytes()).is_some());
    assert!(finds(format!("{:?}", String::from_utf8_lossy(secret)).as_bytes()).is_some());
    assert!(finds(hex::encode(secret).as_bytes()).is_some());
    assert!(finds(b"nothing of the kind").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_run_at_trace_level_no_file_log_or_audit_entry_holds_a_secret() {
    let entries = [
        Entry::new("split").buckets(&["team-credentials", "team-second"]),
        Entry::new("combined").combined(),
        Entry::new("public").public().prefix("teams/blue"),
    ];
    let world = World::boot(Options {
        registry: Some(registry(&entries, &["password_grace: 1s"])),
        arguments: vec!["--min-overlap".to_owned(), "1s".to_owned()],
        environment: vec![("MINT_LOG".to_owned(), "trace".to_owned())],
        ..Options::default()
    })
    .await;
    let ids = entries.each_ref().map(|entry| entry.id.as_str());
    world.until_at_rest(&ids, Duration::from_secs(90)).await;
    // trouble prints the most: an issuer that lies, a store that refuses, answers that get lost
    for (api, kind) in [
        ("service-user.create_password", "lose_answer"),
        ("service-user.create_client", "lose_answer"),
        ("oauth2.token", "fail"),
        ("s3.PutObject", "fail"),
        ("service-user.commit_password", "lose_answer"),
    ] {
        world.fault(serde_json::json!({"api": api, "kind": kind, "count": 1, "status": 500, "body": "<html>trouble</html>"})).await;
    }
    for entry in &entries {
        let request = RotateApplicationRequest { application_id: entry.id.clone(), kinds: Vec::new() };
        world.coordination().rotate_application(request).await.expect("started");
    }
    for id in ids {
        let rotated = |status: &ApplicationStatus| at_rest(status) && completed_rotations(status) >= 2;
        world.until(id, "rotated through trouble", Duration::from_mins(3), rotated).await;
    }

    let beside = world.data().parent().expect("parent").to_owned();
    let fetched = beside.join("berry");
    for entry in &entries {
        let environment = Environment::read(&world.data().join("applications").join(&entry.id).join("env"));
        let berry = tokio::process::Command::new(executable("mint-berry"))
            .arg("--once")
            .arg(fetched.join(&entry.id))
            .env_clear()
            .envs(environment.0)
            .env("MINT_LOG", "trace")
            .output()
            .await
            .expect("berry starts");
        assert!(berry.status.success(), "{}: {}", entry.id, String::from_utf8_lossy(&berry.stderr));
        std::fs::write(beside.join(format!("berry-{}.log", entry.id)), &berry.stderr).expect("writable");
    }

    let mut audit = AuditServiceClient::new(world.channel(ServiceName::Audit, &world.operator()));
    let (mut entries_read, mut page_token) = (0, String::new());
    loop {
        let request = ListEntriesRequest { page_size: 1000, page_token, ..ListEntriesRequest::default() };
        let page = audit.list_entries(request).await.expect("the log").into_inner();
        assert_eq!(finds(format!("{page:?}").as_bytes()), None, "an audit entry");
        entries_read += page.entries.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(entries_read > 30, "the log tells of the run: {entries_read} entries");

    let stopped = world.stop().await;
    let mut files = Vec::new();
    files_below(stopped.data.parent().expect("parent"), &mut files);
    let objects = stopped.data.join("sandbox/s3");
    let (secret, open): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.starts_with(&objects));
    let mut log = String::new();
    for file in &open {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(finds(&bytes), None, "{}", file.display());
        if file.extension().is_some_and(|extension| extension == "log") {
            log.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(log.contains("\"level\":\"DEBUG\""), "the level was below info: {} bytes of logs", log.len());
    let marked =
        secret.iter().filter(|file| finds(&std::fs::read(file).expect("readable")).is_some()).count();
    assert!(marked >= 4, "the objects do hold the secrets that were searched for: {marked}");
    println!("measured: searched {} files, {} bytes of logs", open.len(), log.len());
}
