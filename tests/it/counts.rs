//! What a rotation costs, counted from the sandbox's own request log and never timed.

use std::time::Duration;

use mint_api::coordination::v1::RotateApplicationRequest;
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Call, Options, World, at_rest};

/// The calls that count: not STS and JWKS, which are shared, and not the registry, which is read for all at once.
fn upstream(calls: &[Call], application: &str) -> Vec<Call> {
    calls
        .iter()
        .filter(|call| call.application.as_deref() == Some(application))
        .filter(|call| {
            !call.api.starts_with("sts.") && call.api != "oauth2.jwks" && !call.api.starts_with("kio.")
        })
        .cloned()
        .collect()
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.api.as_str()).collect()
}

/// How many calls stand in a chain in which each needs the one before. The calls of an application are made by two
/// sagas side by side; a revocation is needed by nothing.
fn longest_chain(calls: &[Call]) -> usize {
    let stage = |api: &str| match api {
        "service-user.get" => 1,
        "service-user.put" => 2,
        "service-user.create_password" | "service-user.create_client" => 3,
        "oauth2.token" => 4,
        "s3.PutObject" => 5,
        "service-user.commit_password" | "service-user.commit_client" => 6,
        _ => 0,
    };
    let used: std::collections::BTreeSet<usize> =
        calls.iter().map(|call| stage(&call.api)).filter(|s| *s > 0).collect();
    // the order is checked and not assumed: of each kind no later stage may begin before an earlier one ended
    for (earlier, later) in [
        ("service-user.create_password", "service-user.commit_password"),
        ("service-user.create_client", "service-user.commit_client"),
        ("service-user.put", "service-user.create_password"),
    ] {
        let end = calls.iter().filter(|call| call.api == earlier).map(|call| call.ended_us).max();
        let start = calls.iter().filter(|call| call.api == later).map(|call| call.started_us).min();
        if let (Some(end), Some(start)) = (end, start) {
            assert!(end <= start, "{later} began before {earlier} ended");
        }
    }
    used.len()
}

async fn last_id(world: &World) -> u64 {
    world.calls(0).await.last().map_or(0, |call| call.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_application_costs_twelve_calls_a_password_six_and_an_idle_one_none() {
    let entries = [
        Entry::new("one-bucket"),
        Entry::new("two-buckets").buckets(&["team-credentials", "team-second"]),
        Entry::new("idle"),
    ];
    let arguments = vec!["--min-overlap".to_owned(), "1s".to_owned()];
    let registry = registry(&entries, &["password_grace: 1s"]);
    let world = World::boot(Options { registry: Some(registry), arguments, ..Options::default() }).await;
    let deadline = Duration::from_secs(90);
    world.until_at_rest(&["one-bucket", "two-buckets", "idle"], deadline).await;

    let calls = world.calls(0).await;
    let first = upstream(&calls, "one-bucket");
    assert!(first.len() <= 12, "{:?}", names(&first));
    assert!(first.iter().all(|call| call.status < 400 || call.status == 404), "{first:?}");
    assert!(longest_chain(&first) <= 6, "{:?}", names(&first));

    let before = last_id(&world).await;
    for id in ["one-bucket", "two-buckets"] {
        let kinds = vec![mint_api::types::v1::CredentialKind::Password.into()];
        let request = RotateApplicationRequest { application_id: id.to_owned(), kinds };
        let rotations =
            world.coordination().rotate_application(request).await.expect("started").into_inner().rotations;
        assert_eq!((rotations.len(), rotations[0].started), (1, true));
    }
    for id in ["one-bucket", "two-buckets"] {
        world
            .until(id, "rotated", deadline, |status| {
                at_rest(status)
                    && status.credentials.iter().any(|credential| credential.completed_rotations == 2)
            })
            .await;
    }
    let since = world.calls(before).await;
    let password = upstream(&since, "one-bucket");
    assert!(password.len() <= 6, "{:?}", names(&password));
    let both = upstream(&since, "two-buckets");
    assert!(both.len() <= 7, "{:?}", names(&both));
    assert_eq!(names(&upstream(&since, "idle")), Vec::<&str>::new());
    println!(
        "measured: new application {}, password {}, password with two buckets {}",
        first.len(),
        password.len(),
        both.len()
    );
    world.stop().await;
}
