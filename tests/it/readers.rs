//! The credential broker beside the constellation: who owns an application reads its directory at AWS, and nothing else.

use mint_api::coordination::v1::ApplicationState;
use mint_tests::application::{Application, s3};
use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World, executable};
use serde_json::Value;

/// `mint aws-credentials APP --output json`, as the application, with more words: the exit code, the document.
async fn aws_credentials(world: &World, application: &str, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = tokio::process::Command::new(executable("mint"));
    command.env_clear().args(["aws-credentials", application, "--output", "json", "--data"]);
    let output = command.arg(world.data()).args(more).output().await.expect("mint starts");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// What S3 answers to who has these credentials.
async fn fetched(world: &World, credentials: &Value, key: &str) -> String {
    let text = |name: &str| credentials[name].as_str().expect("a text").to_owned();
    let token = Some(text("SessionToken"));
    let own = aws_credential_types::Credentials::new(
        text("AccessKeyId"),
        text("SecretAccessKey"),
        token,
        None,
        "mint",
    );
    let client = s3(&world.endpoints.s3_endpoint, &world.endpoints.s3_region, own);
    match client.get_object().bucket("team-credentials").key(key).send().await {
        Ok(_) => "read".to_owned(),
        Err(error) => error.into_service_error().meta().code().unwrap_or("no code").to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_fetches_credentials_from_the_broker_and_reads_that_applications_directory_only() {
    let entries = [Entry::new("abc"), Entry::new("abcd")];
    let world = World::boot(Options { registry: Some(registry(&entries, &[])), ..Options::default() }).await;
    let delivered = ApplicationState::Delivered as i32;
    for id in ["abc", "abcd"] {
        world
            .until(id, "delivered", std::time::Duration::from_mins(1), |status| status.state == delivered)
            .await;
    }
    // with the certificate: the token is the broker's, the exchange is mint's
    let (code, credentials) = aws_credentials(&world, "abc", &[]).await;
    assert_eq!((code, &credentials["Version"]), (Some(0), &1.into()));
    assert_eq!(fetched(&world, &credentials, "abc/user.json").await, "read");
    for key in ["abcd/user.json", "0xdeadbeef/user.json", "user.json"] {
        assert_eq!(fetched(&world, &credentials, key).await, "AccessDenied", "{key}");
    }
    // with a session, which what was delivered opens: the broker exchanges
    let login = Application::open(world.data(), "abcd").await.login().await.expect("a login");
    let session = world.data().join("session");
    let token = login.token(&world.endpoints.token_url).await.expect("a session");
    std::fs::write(&session, token).expect("the file is writable");
    let of_session = ["--session", session.to_str().expect("a path")];
    let (code, credentials) = aws_credentials(&world, "abcd", &of_session).await;
    assert_eq!(code, Some(0));
    assert_eq!(fetched(&world, &credentials, "abcd/user.json").await, "read");
    assert_eq!(fetched(&world, &credentials, "abc/user.json").await, "AccessDenied");
    assert_eq!(
        aws_credentials(&world, "abc", &of_session).await,
        (Some(64), Value::Null),
        "another's session"
    );
    world.stop().await;
}
