//! Objects as they come and go: headers, checksums, the log and ordered faults.

use aws_sdk_s3::primitives::ByteStream;

use super::{BUCKET, deliver, fetch};
use crate::cloud_fixture::{Fixture, verdict};

#[tokio::test]
async fn what_the_distributor_puts_its_application_gets() {
    let fixture = Fixture::start().await;
    assert_eq!(deliver(&fixture, BUCKET, "mint/abc/user.json", r#"{"a": 1}"#).await, "200");
    let got =
        fixture.reader("abc").get_object().bucket(BUCKET).key("mint/abc/user.json").send().await.unwrap();
    assert_eq!(got.content_type(), Some("application/json"));
    let etag = got.e_tag().unwrap().to_owned();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), br#"{"a": 1}"#);
    let again =
        fixture.reader("abc").get_object().bucket(BUCKET).key("mint/abc/user.json").if_none_match(&etag);
    assert_eq!(verdict(&again.send().await), "304");
    assert_eq!(deliver(&fixture, BUCKET, "mint/abc/user.json", r#"{"a": 2}"#).await, "200");
    let changed =
        fixture.reader("abc").get_object().bucket(BUCKET).key("mint/abc/user.json").if_none_match(&etag);
    assert_eq!(verdict(&changed.send().await), "200");
    let file = fixture.directory.path().join("sandbox/s3/stups-mint/mint/abc/user.json");
    assert_eq!(std::fs::read(file).unwrap(), br#"{"a": 2}"#);
}

#[tokio::test]
async fn the_log_names_the_role_session_and_the_application() {
    let fixture = Fixture::start().await;
    deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await;
    fetch(&fixture.reader("abcd"), BUCKET, "mint/abc/user.json").await;
    let calls = fixture.cloud.ground.calls.since(0);
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.api, &*call.principal, &*call.path, call.status, call.application.as_deref()))
        .collect();
    let path = "/stups-mint/mint/abc/user.json";
    assert_eq!(
        seen,
        [
            (
                "s3.PutObject",
                "arn:aws:sts::000000000000:assumed-role/mint-distributor/test",
                path,
                Some(200),
                Some("abc")
            ),
            (
                "s3.GetObject",
                "arn:aws:sts::111111111111:assumed-role/mint-reader-abcd/test",
                path,
                Some(403),
                Some("abc")
            ),
        ]
    );
}

#[tokio::test]
async fn ordered_faults_happen_to_s3_too() {
    let fixture = Fixture::start().await;
    let order = |text: &str| fixture.cloud.ground.faults.order(serde_json::from_str(text).unwrap());
    order(r#"{"api": "s3.PutObject", "kind": "fail", "count": 1, "status": 503}"#);
    assert_eq!(deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await, "503");
    order(r#"{"api": "s3.PutObject", "kind": "lie", "count": 1}"#);
    assert_eq!(deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await, "200");
    assert_eq!(
        fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await,
        "AccessDenied",
        "it was a lie"
    );
    order(r#"{"api": "s3.PutObject", "kind": "lose_answer", "count": 1}"#);
    assert_eq!(deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await, "none");
    assert_eq!(
        fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await,
        "200",
        "it was done all the same"
    );
}

#[tokio::test]
async fn a_body_that_does_not_fit_its_checksum_is_not_stored() {
    let fixture = Fixture::start().await;
    let put = fixture.service("distributor").put_object().bucket(BUCKET).key("mint/abc/user.json");
    let bad = put.checksum_crc32("AAAAAA==").body(ByteStream::from_static(b"{}")).send().await;
    assert_eq!(verdict(&bad), "BadDigest");
    assert_eq!(fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await, "AccessDenied");
    let put = fixture.service("distributor").put_object().bucket(BUCKET).key("mint/abc/user.json");
    let path = fixture.directory.path().join("streamed");
    std::fs::write(&path, "streamed").unwrap();
    let streamed = put.body(ByteStream::from_path(&path).await.unwrap()).send().await;
    assert_eq!(verdict(&streamed), "200");
    let got =
        fixture.reader("abc").get_object().bucket(BUCKET).key("mint/abc/user.json").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"streamed");
}
