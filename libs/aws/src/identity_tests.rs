use std::collections::VecDeque;

use async_trait::async_trait;
use mint_testkit::{HttpStub, ManualClock, SeededEntropy, StubAnswer};

use super::*;
use crate::{Environment, SdkSts, Session, StaticKeys};

#[derive(Debug, Clone, Default)]
struct FakeSts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<StsFault>,
    tokens: Vec<String>,
    life: Duration,
    now: Option<ManualClock>,
    /// Written to the token file when an exchange is refused, as a platform that replaces it meanwhile.
    next_token: Option<(PathBuf, String)>,
}

#[async_trait]
impl TokenExchange for FakeSts {
    async fn exchange(&self, token: &Zeroizing<String>) -> Result<Credentials, StsFault> {
        let mut state = self.0.lock().unwrap();
        state.tokens.push(token.to_string());
        if let Some(fault) = state.faults.pop_front() {
            if let Some((path, next)) = state.next_token.take() {
                std::fs::write(path, next).unwrap();
            }
            return Err(fault);
        }
        let now = state.now.as_ref().unwrap().now();
        let ends = SystemTime::UNIX_EPOCH + now.plus(state.life).since(Timestamp::from_unix_micros(0));
        Ok(Credentials::builder()
            .access_key_id(format!("ASIA{}", state.tokens.len()))
            .secret_access_key("secret")
            .session_token("session")
            .expiry(ends)
            .provider_name("fake")
            .build())
    }
}

struct World {
    identity: WebIdentity,
    sts: FakeSts,
    clock: ManualClock,
    token_file: PathBuf,
    _directory: tempfile::TempDir,
}

fn world(faults: &[StsFault]) -> World {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "first\n").unwrap();
    let clock = ManualClock::default();
    let sts = FakeSts::default();
    {
        let mut state = sts.0.lock().unwrap();
        state.faults = faults.iter().cloned().collect();
        state.life = Duration::from_hours(1);
        state.now = Some(clock.clone());
    }
    let identity = WebIdentity::new(
        token_file.clone(),
        Box::new(sts.clone()),
        Arc::new(clock.clone()),
        Arc::new(SeededEntropy::default()),
    );
    World { identity, sts, clock, token_file, _directory: directory }
}

fn tokens(world: &World) -> Vec<String> {
    world.sts.0.lock().unwrap().tokens.clone()
}

#[tokio::test]
async fn an_expired_token_is_read_again_and_tried_once_more() {
    let world = world(&[StsFault::TokenExpired]);
    world.sts.0.lock().unwrap().next_token = Some((world.token_file.clone(), "second".to_owned()));
    world.identity.credentials().await.unwrap();
    assert_eq!(tokens(&world), ["first", "second"]);

    let world = self::world(&[StsFault::TokenExpired, StsFault::TokenExpired]);
    let error = world.identity.credentials().await.unwrap_err();
    assert!(matches!(error, Error::Sts(StsFault::TokenExpired)), "{error}");
    assert_eq!(tokens(&world).len(), 2);
}

#[tokio::test]
async fn only_what_passes_is_tried_again() {
    let world = world(&[StsFault::ProviderUnreachable, StsFault::Unreachable("x")]);
    world.identity.credentials().await.unwrap();
    assert_eq!(tokens(&world).len(), 3);
    for lasting in [StsFault::TokenInvalid, StsFault::AccessDenied, StsFault::ClaimRejected] {
        let world = self::world(std::slice::from_ref(&lasting));
        let error = world.identity.credentials().await.unwrap_err();
        assert!(matches!(&error, Error::Sts(fault) if *fault == lasting), "{error}");
        assert_eq!(tokens(&world).len(), 1, "{lasting}");
    }
    let world = self::world(&vec![StsFault::ProviderUnreachable; 9]);
    assert!(world.identity.credentials().await.is_err());
    assert_eq!(tokens(&world).len(), 3);
}

#[tokio::test]
async fn credentials_are_kept_and_renewed_ahead_of_their_end() {
    let world = world(&[]);
    let key = async || world.identity.credentials().await.unwrap().access_key_id().to_owned();
    assert_eq!((key().await, key().await), ("ASIA1".to_owned(), "ASIA1".to_owned()));
    world.clock.advance(Duration::from_secs(3600 - 301));
    assert_eq!(key().await, "ASIA1");
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(key().await, "ASIA2");
    world.identity.forget();
    assert_eq!(key().await, "ASIA3");
}

#[tokio::test]
async fn while_renewal_fails_the_kept_credentials_serve_as_long_as_they_may() {
    let world = world(&[]);
    world.identity.credentials().await.unwrap();
    world.clock.advance(Duration::from_secs(3600 - 299));
    world.sts.0.lock().unwrap().faults = vec![StsFault::AccessDenied; 9].into();
    assert_eq!(world.identity.credentials().await.unwrap().access_key_id(), "ASIA1");
    let asked = tokens(&world).len();
    assert_eq!(world.identity.credentials().await.unwrap().access_key_id(), "ASIA1");
    assert_eq!(tokens(&world).len(), asked, "a failed renewal is not repeated by every caller");
    world.clock.advance(Duration::from_secs(210));
    assert!(world.identity.credentials().await.is_err(), "too short for a signature");
}

#[tokio::test]
async fn a_token_file_without_a_token_is_named() {
    let world = world(&[]);
    for (text, part) in [("", "it is empty"), ("two words", "one JWT")] {
        std::fs::write(&world.token_file, text).unwrap();
        let error = world.identity.credentials().await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("token"), "{error}");
    }
    std::fs::remove_file(&world.token_file).unwrap();
    assert!(matches!(world.identity.credentials().await, Err(Error::TokenFile { .. })));
}

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.mint-canary-token.c2ln";

fn environment(stub: &HttpStub, token_file: &std::path::Path) -> Environment {
    let lookup = |name: &str| {
        Some(match name {
            "AWS_ROLE_ARN" => "arn:aws:iam::000000000000:role/mint-distributor".to_owned(),
            "AWS_WEB_IDENTITY_TOKEN_FILE" => token_file.display().to_string(),
            "AWS_REGION" => "eu-central-1".to_owned(),
            "AWS_ENDPOINT_URL_STS" => format!("{}/sts", stub.url()),
            _ => return None,
        })
    };
    Environment::from_lookup(&lookup, "test", StaticKeys::Refuse).unwrap()
}

fn sdk_error(code: &str) -> StubAnswer {
    StubAnswer::status(
        if code == "IDPCommunicationError" { 400 } else { 403 },
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>token {TOKEN} is bad</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}

async fn exchanged(answer: StubAnswer) -> (Result<Credentials, StsFault>, HttpStub) {
    let stub = HttpStub::start(move |_| answer.clone());
    let environment = environment(&stub, std::path::Path::new("/nonexistent"));
    let http = aws_smithy_http_client::Builder::new().build_http();
    let exchanged = SdkSts::new(&environment, http).exchange(&Zeroizing::new(TOKEN.to_owned())).await;
    (exchanged, stub)
}

#[tokio::test]
async fn errors_of_sts_are_told_apart() {
    for (code, expected) in [
        ("ExpiredTokenException", StsFault::TokenExpired),
        ("InvalidIdentityToken", StsFault::TokenInvalid),
        ("IDPRejectedClaim", StsFault::ClaimRejected),
        ("IDPCommunicationError", StsFault::ProviderUnreachable),
        ("AccessDenied", StsFault::AccessDenied),
        ("PackedPolicyTooLarge", StsFault::PackedPolicyTooLarge),
        ("SomethingNew", StsFault::Refused("SomethingNew".to_owned())),
    ] {
        let (answer, stub) = exchanged(sdk_error(code)).await;
        assert_eq!(answer.unwrap_err(), expected, "{code}");
        assert_eq!(stub.requests().len(), 1, "the SDK does not retry by itself");
    }
}

#[tokio::test]
async fn an_error_shows_the_code_and_not_the_token() {
    let (answer, _stub) = exchanged(sdk_error("InvalidIdentityToken")).await;
    let error = Error::from(answer.unwrap_err());
    for shown in [format!("{error}"), format!("{error:?}"), format!("{error:#?}")] {
        assert!(shown.contains("Token") && !shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn rubbish_is_no_credential() {
    for answer in
        [StubAnswer::status(200, "<html>ok</html>"), StubAnswer::status(200, ""), StubAnswer::HangUp]
    {
        assert!(exchanged(answer.clone()).await.0.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_session_exchanges_its_token_for_credentials() {
    let answer = StubAnswer::status(
        200,
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
         <SecretAccessKey>k</SecretAccessKey><SessionToken>s</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
    );
    let stub = HttpStub::start(move |_| answer.clone());
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let environment = environment(&stub, &token_file);
    let session =
        Session::new(environment, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()));
    assert_eq!(session.credentials().await.unwrap().access_key_id(), "ASIAEXAMPLE");
    session.credentials().await.unwrap();
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    let body = String::from_utf8(requests[0].body.clone()).unwrap();
    assert_eq!(requests[0].target, "/sts/");
    for part in [
        "Action=AssumeRoleWithWebIdentity",
        "role%2Fmint-distributor",
        "RoleSessionName=test",
        "mint-canary-token",
    ] {
        assert!(body.contains(part), "{part}");
    }
    assert_eq!(requests[0].header("authorization"), "", "the exchange is unsigned");
}
