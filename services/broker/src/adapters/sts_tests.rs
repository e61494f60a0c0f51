use mint_testkit::{HttpStub, StubAnswer};
use mint_types::{RequestId, Timestamp};

use super::*;
use crate::grants::Subject;
use crate::grants::tests::{row, table};
use crate::signing::{Algorithm, KeyBook, Tending, make_first};

const ANSWER: &str = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
    <SecretAccessKey>a+b/c=</SecretAccessKey><SessionToken>tok/en+=</SessionToken>\
    <Expiration>2027-01-15T09:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
    </AssumeRoleWithWebIdentityResponse>";

fn token() -> TaggedToken {
    let directory = tempfile::tempdir().unwrap();
    let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
    let cache = mint_types::Period::from_seconds(60);
    make_first(Tending { directory: directory.path(), now, cache }, Algorithm::Es256).unwrap();
    let lifetime = mint_types::Period::from_seconds(300);
    let book = KeyBook::open(directory.path(), "https://broker.example.org", lifetime, cache).unwrap();
    let grant = table(&[row("ci", "abc")]).unwrap().of(&Subject::bearer("ci").unwrap(), now).unwrap();
    book.sign(&grant, now, RequestId::from_bytes([7; 16])).unwrap()
}

fn sts(url: &str) -> HttpSts {
    HttpSts::new(HttpClient::new(), url.parse().unwrap(), Duration::from_secs(5))
}

#[tokio::test]
async fn the_exchange_is_one_unsigned_call_for_exactly_what_was_granted() {
    let stub = HttpStub::start(|_| StubAnswer::status(200, ANSWER));
    let token = token();
    let credentials = sts(stub.url()).exchange(&token).await.unwrap();
    assert_eq!(credentials.access_key_id, "ASIAEXAMPLE");
    assert_eq!(credentials.secret_access_key.expose(), "a+b/c=");
    assert_eq!(credentials.session_token.expose(), "tok/en+=");
    assert_eq!(credentials.expiration.to_string(), "2027-01-15T09:00:00Z");
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    let names: Vec<&str> = requests[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    for signed in ["authorization", "x-amz-security-token", "x-amz-date", "cookie"] {
        assert!(!names.contains(&signed), "{names:?}");
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&requests[0].body).into_owned().collect();
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::111111111111:role/mint-tagged-reader"),
        ("RoleSessionName", "abc"),
        ("DurationSeconds", "3600"),
        ("WebIdentityToken", token.expose()),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(!format!("{credentials:?}").contains("tok/en"), "nothing of it is printed");
}

#[tokio::test]
async fn each_error_of_sts_is_told_apart_by_its_code_and_its_message_is_never_repeated() {
    let error = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>eyJhbGciOi</Message></Error></ErrorResponse>"
        )
    };
    for (status, body, expected) in [
        (400, error("ExpiredTokenException"), StsFault::TokenExpired),
        (400, error("InvalidIdentityToken"), StsFault::TokenInvalid),
        (400, error("IDPCommunicationError"), StsFault::KeysUnreachable),
        (403, error("IDPRejectedClaim"), StsFault::ClaimRejected),
        (403, error("AccessDenied"), StsFault::AccessDenied),
        (400, error("PackedPolicyTooLarge"), StsFault::PackedPolicyTooLarge),
        (400, error("Throttling"), StsFault::Refused("Throttling".to_owned())),
        (400, error("eyJhbGciOi.x1"), StsFault::Refused("400".to_owned())),
        (503, String::new(), StsFault::Refused("503".to_owned())),
        (200, String::new(), StsFault::Malformed("it has no credentials")),
        (
            200,
            ANSWER.replace("a+b/c=", ""),
            StsFault::Malformed("a part of the credentials is missing or malformed"),
        ),
        (200, ANSWER.replace("2027-01-15", "soon"), StsFault::Malformed("its expiration is no time")),
    ] {
        let stub = HttpStub::start(move |_| StubAnswer::status(status, &body));
        let fault = sts(stub.url()).exchange(&token()).await.unwrap_err();
        assert_eq!(fault, expected);
        assert!(!fault.to_string().contains("eyJ"), "{fault}");
    }
    let hangs_up = HttpStub::start(|_| StubAnswer::HangUp);
    assert_eq!(sts(hangs_up.url()).exchange(&token()).await.unwrap_err(), StsFault::Unanswered);
    let nobody = format!("http://127.0.0.1:{}", mint_testkit::free_port());
    assert_eq!(sts(&nobody).exchange(&token()).await.unwrap_err(), StsFault::Unconnected);
    let endless = HttpStub::start(|_| StubAnswer::status(200, &"x".repeat(LONGEST_ANSWER + 1)));
    assert_eq!(sts(endless.url()).exchange(&token()).await.unwrap_err(), StsFault::Unanswered);
}
