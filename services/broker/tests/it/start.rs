//! How the process starts, or does not.

use mint_testkit::{ServiceUnderTest, run_to_end};

use crate::stage::{BINARY, LIMIT, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_right_ends_the_start_with_one_sentence() {
    let stage = Stage::set().await;
    let config = stage.config("");
    let run = |environment: &[(&str, &str)]| {
        run_to_end(BINARY, &["--config", config.to_str().unwrap()], environment)
    };
    for (variable, value, named) in [
        ("MINT_BROKER__HTTP__LISTEN", "0.0.0.0:80", "http.listen"),
        ("MINT_BROKER__HTTP__ISSUER", "https://broker.example.org:8443", "http.issuer"),
        ("MINT_BROKER__SIGNING__LIFETIME", "2h", "signing.lifetime"),
        ("MINT_BROKER__ROLES__READER__SESSION", "1m", "roles.reader.session"),
        ("MINT_BROKER__STS__ENDPOINT", "http://sts.amazonaws.com", "sts.endpoint"),
    ] {
        let ended = run(&[(variable, value)]);
        assert_eq!(ended.code(), Some(64), "{variable}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(named) || ended.stderr.contains(variable),
            "{variable}: {}",
            ended.stderr
        );
    }
    let ended = run(&[("AWS_SECRET_ACCESS_KEY", "hunter2")]);
    assert_eq!(ended.code(), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("AWS_SECRET_ACCESS_KEY") && !ended.stderr.contains("hunter2"));
    // a role that wants a signature for which there is no key
    let ended = run(&[("MINT_BROKER__ROLES__READER__ALGORITHM", "RS256")]);
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("no active RS256 key"), "{}", ended.stderr);
    std::fs::remove_dir_all(stage.keys()).unwrap();
    let ended = run(&[]);
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("mint-broker keys"), "{}", ended.stderr);
    assert!(!stage.keys().exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_and_rotated_by_command_and_a_drain_exits_0() {
    let stage = Stage::set().await;
    let directory = stage.keys().display().to_string();
    let keys = |verb: &str, algorithm: &str| {
        run_to_end(
            BINARY,
            &["keys", verb, "--directory", &directory, "--algorithm", algorithm, "--jwks-cache", "1h"],
            &[],
        )
    };
    assert_eq!(keys("init", "ES256").code(), Some(78), "there is one");
    assert_eq!(keys("rotate", "RS256").code(), Some(78), "there is none");
    for (verb, algorithm) in [("init", "RS256"), ("rotate", "ES256")] {
        let made = keys(verb, algorithm);
        assert_eq!(made.code(), Some(0), "{}", made.stderr);
        assert!(made.stdout.starts_with(algorithm) && made.stdout.contains("signs from"), "{}", made.stdout);
    }
    let mut broker = ServiceUnderTest::with_config(BINARY, &stage.config(""));
    broker.wait_for_log("\"serving\"", LIMIT);
    let request = http::Request::get(format!("{}/.well-known/jwks.json", stage.issuer()));
    let answer = stage.http.send(request.body(bytes::Bytes::new()).unwrap(), LIMIT, 1 << 20).await.unwrap();
    let set: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let algorithms: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(
        algorithms,
        ["RS256", "ES256", "ES256"],
        "the active RS256 key first, then the other active, next"
    );
    broker.terminate();
    assert_eq!(broker.wait(LIMIT).code(), Some(0), "{}", broker.log());
}
