//! The real SDK against the real listener: what each role may do, and what no one may.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectCannedAcl, ObjectIdentifier, Tag, Tagging};
use mint_types::Clock;

use crate::cloud_fixture::{Fixture, REGION, verdict};
use crate::source::SystemClock;
use crate::world::World;

const BUCKET: &str = "stups-mint";
const OWNER: &str = "111111111111";

async fn deliver(fixture: &Fixture, bucket: &str, key: &str, body: &str) -> String {
    let put =
        fixture.service("distributor").put_object().bucket(bucket).key(key).expected_bucket_owner(OWNER);
    verdict(
        &put.content_type("application/json").body(ByteStream::from(body.as_bytes().to_vec())).send().await,
    )
}

async fn fetch(client: &Client, bucket: &str, key: &str) -> String {
    verdict(&client.get_object().bucket(bucket).key(key).send().await)
}

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

/// Operations and their answers.
type Answers = &'static [(&'static str, &'static str)];

/// Every operation that the SDK offers on objects and buckets, in the caller's own directory.
async fn try_everything(client: &Client, bucket: &str, key: &str) -> Vec<(&'static str, String)> {
    let identifier = ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().objects(identifier).build().unwrap();
    let tagging =
        Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().unwrap()).build().unwrap();
    let source = format!("{bucket}/{key}");
    let body = || ByteStream::from_static(b"{}");
    let object = |suffix: &str| format!("{key}{suffix}");
    let mut seen = Vec::new();
    macro_rules! attempt {
        ($name:literal, $call:expr) => {
            seen.push(($name, verdict(&$call.send().await)));
        };
    }
    attempt!("GetObject", client.get_object().bucket(bucket).key(key));
    attempt!("HeadObject", client.head_object().bucket(bucket).key(key));
    attempt!("PutObject", client.put_object().bucket(bucket).key(object(".new")).body(body()));
    let acl = ObjectCannedAcl::BucketOwnerFullControl;
    attempt!("PutObject with ACL", client.put_object().bucket(bucket).key(key).acl(acl.clone()).body(body()));
    attempt!("PutObject with tags", client.put_object().bucket(bucket).key(key).tagging("a=b").body(body()));
    attempt!("GetObject of a version", client.get_object().bucket(bucket).key(key).version_id("null"));
    attempt!(
        "GetObjectAttributes",
        client.get_object_attributes().bucket(bucket).key(key).object_attributes("ETag".into())
    );
    attempt!("GetObjectAcl", client.get_object_acl().bucket(bucket).key(key));
    attempt!("GetObjectTagging", client.get_object_tagging().bucket(bucket).key(key));
    attempt!("GetObjectTorrent", client.get_object_torrent().bucket(bucket).key(key));
    attempt!("PutObjectAcl", client.put_object_acl().bucket(bucket).key(key).acl(acl));
    attempt!("PutObjectTagging", client.put_object_tagging().bucket(bucket).key(key).tagging(tagging));
    attempt!("DeleteObjectTagging", client.delete_object_tagging().bucket(bucket).key(key));
    attempt!("CopyObject", client.copy_object().bucket(bucket).key(object(".copy")).copy_source(&source));
    attempt!("DeleteObject", client.delete_object().bucket(bucket).key(key));
    attempt!("DeleteObjects", client.delete_objects().bucket(bucket).delete(delete));
    attempt!("CreateMultipartUpload", client.create_multipart_upload().bucket(bucket).key(key));
    attempt!(
        "UploadPart",
        client.upload_part().bucket(bucket).key(key).upload_id("x").part_number(1).body(body())
    );
    let part = client.upload_part_copy().bucket(bucket).key(key).upload_id("x").part_number(1);
    attempt!("UploadPartCopy", part.copy_source(&source));
    attempt!("ListParts", client.list_parts().bucket(bucket).key(key).upload_id("x"));
    attempt!("AbortMultipartUpload", client.abort_multipart_upload().bucket(bucket).key(key).upload_id("x"));
    attempt!("ListObjectsV2", client.list_objects_v2().bucket(bucket));
    attempt!("ListObjectsV2 of its prefix", client.list_objects_v2().bucket(bucket).prefix(key));
    attempt!("ListObjects", client.list_objects().bucket(bucket));
    attempt!("ListObjectVersions", client.list_object_versions().bucket(bucket));
    attempt!("ListMultipartUploads", client.list_multipart_uploads().bucket(bucket));
    attempt!("ListBuckets", client.list_buckets());
    attempt!("HeadBucket", client.head_bucket().bucket(bucket));
    attempt!("CreateBucket", client.create_bucket().bucket("brand-new"));
    attempt!("DeleteBucket", client.delete_bucket().bucket(bucket));
    attempt!("GetBucketPolicy", client.get_bucket_policy().bucket(bucket));
    attempt!("PutBucketPolicy", client.put_bucket_policy().bucket(bucket).policy("{}"));
    attempt!("DeleteBucketPolicy", client.delete_bucket_policy().bucket(bucket));
    attempt!("GetBucketAcl", client.get_bucket_acl().bucket(bucket));
    attempt!("GetBucketLocation", client.get_bucket_location().bucket(bucket));
    attempt!("GetBucketVersioning", client.get_bucket_versioning().bucket(bucket));
    attempt!("GetBucketEncryption", client.get_bucket_encryption().bucket(bucket));
    attempt!("GetPublicAccessBlock", client.get_public_access_block().bucket(bucket));
    attempt!("DeletePublicAccessBlock", client.delete_public_access_block().bucket(bucket));
    attempt!("CreateSession", client.create_session().bucket(bucket));
    attempt!(
        "RenameObject",
        client.rename_object().bucket(bucket).key(object(".moved")).rename_source(&source)
    );
    seen
}

#[tokio::test]
async fn every_principal_has_its_one_power_and_no_other() {
    let fixture = Fixture::start().await;
    let own = "mint/abc/user.json";
    assert_eq!(deliver(&fixture, BUCKET, own, "{}").await, "200");
    // An unfinished multipart upload is part of s3:PutObject; the store then says that it does not do that.
    let distributor: Answers = &[
        ("PutObject", "200"),
        ("CreateMultipartUpload", "NotImplemented"),
        ("UploadPart", "NotImplemented"),
    ];
    let reader: Answers = &[("GetObject", "200"), ("HeadObject", "200")];
    let principals: [(&str, Client, Answers); 7] = [
        ("registry-sync", fixture.service("registry-sync"), &[]),
        ("identity-provisioner", fixture.service("identity-provisioner"), &[]),
        ("rotator", fixture.service("rotator"), &[]),
        ("coordinator", fixture.service("coordinator"), &[]),
        ("audit", fixture.service("audit"), &[]),
        ("distributor", fixture.service("distributor"), distributor),
        ("reader of abc", fixture.reader("abc"), reader),
    ];
    for (principal, client, allowed) in principals {
        for (operation, verdict) in try_everything(&client, BUCKET, own).await {
            let expected = allowed.iter().find(|(name, _)| *name == operation).map(|(_, verdict)| *verdict);
            // A HEAD has no body to say AccessDenied in.
            let refusals: &[&str] = if operation.starts_with("Head") { &["403"] } else { &["AccessDenied"] };
            let expected = expected.map_or(refusals.to_vec(), |verdict| vec![verdict]);
            assert!(expected.contains(&verdict.as_str()), "{principal}: {operation} was answered {verdict}");
        }
    }
    assert_eq!(fetch(&fixture.reader("abc"), BUCKET, own).await, "200", "nothing above changed the object");
}

#[tokio::test]
async fn an_application_reads_its_own_directory_only() {
    let fixture = Fixture::start().await;
    for key in ["mint/abc/user.json", "mint/abcd/user.json"] {
        assert_eq!(deliver(&fixture, BUCKET, key, "{}").await, "200");
    }
    assert_eq!(deliver(&fixture, "stups-bare", "bare/user.json", "{}").await, "200");
    let (abc, bare) = (fixture.reader("abc"), fixture.reader("bare"));
    assert_eq!(fetch(&abc, BUCKET, "mint/abc/user.json").await, "200");
    assert_eq!(fetch(&bare, "stups-bare", "bare/user.json").await, "200");
    for (client, bucket, key) in [
        (&abc, BUCKET, "mint/abcd/user.json"),
        (&fixture.reader("abcd"), BUCKET, "mint/abc/user.json"),
        (&abc, BUCKET, "mint/abc"),
        (&abc, BUCKET, "mint/user.json"),
        (&abc, BUCKET, "user.json"),
        (&abc, "stups-bare", "bare/user.json"),
        (&abc, "other-mint", "mint/abc/user.json"),
        (&bare, BUCKET, "mint/abc/user.json"),
        (&fixture.reader("foreign"), BUCKET, "mint/abc/user.json"),
    ] {
        assert_eq!(fetch(client, bucket, key).await, "AccessDenied", "{bucket}/{key}");
    }
    // Allowed by its text, but a way out: the store knows no such key.
    let out = fetch(&abc, BUCKET, "mint/abc/../abcd/user.json").await;
    assert!(out == "InvalidArgument" || out == "AccessDenied", "{out}");
}

#[tokio::test]
async fn a_missing_object_is_hidden_from_those_who_may_not_list() {
    let fixture = Fixture::start().await;
    assert_eq!(fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await, "AccessDenied");
    let head = fixture.reader("abc").head_object().bucket(BUCKET).key("mint/abc/user.json").send().await;
    assert_eq!(verdict(&head), "403");
    assert_eq!(fetch(&fixture.reader("abc"), "no-such-bucket", "mint/abc/user.json").await, "NoSuchBucket");
}

#[tokio::test]
async fn a_signature_for_another_region_is_refused_with_the_right_one() {
    let fixture = Fixture::start().await;
    let role = "arn:aws:iam::000000000000:role/mint-distributor";
    let put = |region: &'static str, bucket: &'static str| {
        let client = fixture.client_with(fixture.credentials_for(role, 900), region);
        async move {
            let result = client
                .put_object()
                .bucket(bucket)
                .key("bare/x")
                .body(ByteStream::from_static(b"{}"))
                .send()
                .await;
            let header = result
                .as_ref()
                .err()
                .and_then(|error| error.raw_response())
                .and_then(|raw| raw.headers().get("x-amz-bucket-region").map(str::to_owned));
            (verdict(&result), header)
        }
    };
    assert_eq!(put("us-east-1", "stups-far").await, ("200".to_owned(), None));
    let malformed = "AuthorizationHeaderMalformed".to_owned();
    assert_eq!(put(REGION, "stups-far").await, (malformed.clone(), Some("us-east-1".to_owned())));
    assert_eq!(put("us-east-1", "stups-bare").await, (malformed, Some(REGION.to_owned())));
    let client = fixture.client_with(fixture.credentials_for(role, 900), "us-east-1");
    let presigned =
        client.put_object().bucket(BUCKET).key("mint/abc/x").presigned(lasting(60, 0)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", presigned.uri(), presigned.headers())).await;
    assert_eq!((status, body.contains("AuthorizationQueryParametersError")), (400, true), "{body}");
}

fn lasting(seconds: u64, ago: u64) -> PresigningConfig {
    let now = Duration::from_micros(u64::try_from(SystemClock.now().unix_micros()).unwrap());
    let start = UNIX_EPOCH + now - Duration::from_secs(ago);
    PresigningConfig::builder().start_time(start).expires_in(Duration::from_secs(seconds)).build().unwrap()
}

fn request<'h>(
    method: &str,
    uri: &str,
    headers: impl Iterator<Item = (&'h str, &'h str)>,
) -> http::Request<String> {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = if method == "PUT" { r#"{"presigned": true}"# } else { "" };
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn a_presigned_put_is_good_until_it_expires_and_for_nothing_else() {
    let fixture = Fixture::start().await;
    let put = || {
        let put = fixture.service("distributor").put_object().bucket(BUCKET).key("mint/abc/user.json");
        put.expected_bucket_owner(OWNER).content_type("application/json")
    };
    let good = put().presigned(lasting(60, 0)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", good.uri(), good.headers())).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(fetch(&fixture.reader("abc"), BUCKET, "mint/abc/user.json").await, "200");

    let expired = put().presigned(lasting(60, 61)).await.unwrap();
    let (status, body) = fixture.raw(request("PUT", expired.uri(), expired.headers())).await;
    assert_eq!(
        (status, body.contains("<Code>AccessDenied</Code>"), body.contains("expired")),
        (403, true, true),
        "{body}"
    );

    let elsewhere = good.uri().replace("/mint/abc/", "/mint/abcd/");
    let (status, body) = fixture.raw(request("PUT", &elsewhere, good.headers())).await;
    assert_eq!((status, body.contains("SignatureDoesNotMatch")), (403, true), "{body}");

    let longer = good.uri().replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(fixture.raw(request("PUT", &longer, good.headers())).await.0, 403);
    assert_eq!(fixture.raw(request("GET", good.uri(), good.headers())).await.0, 403);

    let smuggled = good.headers().chain([("x-amz-acl", "public-read")]);
    let (status, body) = fixture.raw(request("PUT", good.uri(), smuggled)).await;
    assert_eq!((status, body.contains("was not signed")), (403, true), "{body}");
}

#[tokio::test]
async fn a_stolen_access_key_is_worth_nothing_without_its_own_session_token() {
    let fixture = Fixture::start().await;
    deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await;
    let role = "arn:aws:iam::111111111111:role/mint-reader-abc";
    let own = fixture.credentials_for(role, 900);
    let other = fixture.credentials_for("arn:aws:iam::000000000000:role/mint-distributor", 900);
    let with = |token: Option<&str>, credentials: &aws_credential_types::Credentials| {
        let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        aws_credential_types::Credentials::new(key, secret, token.map(str::to_owned), None, "test")
    };
    let secretless = aws_credential_types::Credentials::new(
        own.access_key_id(),
        "wrong",
        own.session_token().map(str::to_owned),
        None,
        "test",
    );
    for (credentials, expected) in [
        (own.clone(), "200"),
        (with(None, &own), "InvalidAccessKeyId"),
        (with(other.session_token(), &own), "InvalidToken"),
        (with(Some("x"), &own), "InvalidToken"),
        (secretless, "SignatureDoesNotMatch"),
        (fixture.credentials_for(role, -1), "ExpiredToken"),
        (
            aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test"),
            "InvalidAccessKeyId",
        ),
        (fixture.credentials_for("arn:aws:iam::111111111111:role/mint-reader-nobody", 900), "AccessDenied"),
        (fixture.credentials_for("arn:aws:iam::222222222222:role/mint-reader-abc", 900), "AccessDenied"),
    ] {
        let client = fixture.client_with(credentials, REGION);
        assert_eq!(fetch(&client, BUCKET, "mint/abc/user.json").await, expected);
    }
}

#[tokio::test]
async fn a_bucket_of_another_owner_or_one_that_refuses_writes_takes_nothing() {
    let fixture = Fixture::start().await;
    let put = |bucket: &'static str, owner: &'static str| {
        let client = fixture.service("distributor");
        async move {
            let put =
                client.put_object().bucket(bucket).key("mint/abc/user.json").expected_bucket_owner(owner);
            verdict(&put.body(ByteStream::from_static(b"{}")).send().await)
        }
    };
    assert_eq!(put(BUCKET, OWNER).await, "200");
    assert_eq!(put(BUCKET, "222222222222").await, "AccessDenied");
    assert_eq!(put("stups-refusing", OWNER).await, "AccessDenied");
    assert_eq!(put("no-such-bucket", "333333333333").await, "NoSuchBucket");
    assert!(!fixture.directory.path().join("sandbox/s3/stups-refusing").exists());
}

#[tokio::test]
async fn a_new_bucket_or_directory_of_a_team_works_for_its_application_too() {
    let fixture = Fixture::start().await;
    assert_eq!(deliver(&fixture, "stups-fresh", "deep/nowhere/user.json", "{}").await, "200");
    assert_eq!(deliver(&fixture, BUCKET, "mint/nowhere/user.json", "{}").await, "200");
    let put =
        fixture.service("rotator").put_object().bucket("stups-other").key("x/y").expected_bucket_owner(OWNER);
    assert_eq!(verdict(&put.send().await), "NoSuchBucket");
    for round in ["before", "after a restart"] {
        let reader = fixture.reader("nowhere");
        assert_eq!(fetch(&reader, "stups-fresh", "deep/nowhere/user.json").await, "200", "{round}");
        assert_eq!(fetch(&reader, BUCKET, "mint/nowhere/user.json").await, "200", "{round}");
        assert_eq!(
            fetch(&fixture.reader("abc"), "stups-fresh", "deep/nowhere/user.json").await,
            "AccessDenied"
        );
    }
    let fixture = Fixture::start_in(fixture.stop()).await;
    assert_eq!(fetch(&fixture.reader("nowhere"), "stups-fresh", "deep/nowhere/user.json").await, "200");
}

#[tokio::test]
async fn sessions_and_objects_survive_a_restart() {
    let fixture = Fixture::start().await;
    deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await;
    let credentials = fixture.credentials_for("arn:aws:iam::111111111111:role/mint-reader-abc", 900);
    let fixture = Fixture::start_in(fixture.stop()).await;
    let client = fixture.client_with(credentials, REGION);
    assert_eq!(fetch(&client, BUCKET, "mint/abc/user.json").await, "200");
}

#[tokio::test]
async fn a_removed_application_loses_its_role_at_once() {
    let fixture = Fixture::start().await;
    deliver(&fixture, BUCKET, "mint/abc/user.json", "{}").await;
    let reader = fixture.reader("abc");
    assert_eq!(fetch(&reader, BUCKET, "mint/abc/user.json").await, "200");
    let mut world = World::clone(&fixture.cloud.ground.world_now());
    world.applications.retain(|application| application.id != "abc");
    fixture.world.send_replace(world.into());
    assert_eq!(fetch(&reader, BUCKET, "mint/abc/user.json").await, "AccessDenied");
}

#[tokio::test]
async fn other_ways_to_authenticate_are_refused() {
    let fixture = Fixture::start().await;
    let url = |rest: &str| format!("{}/{BUCKET}{rest}", fixture.s3_url());
    let plain = |method: &str, uri: String| {
        http::Request::builder().method(method).uri(uri).body(String::new()).unwrap()
    };
    for request in [
        plain("GET", url("/mint/abc/user.json")),
        plain("GET", url("")),
        plain("DELETE", url("/mint/abc/user.json")),
        plain("GET", url("/mint/abc/user.json?AWSAccessKeyId=x&Expires=1&Signature=y")),
        http::Request::get(url("/x")).header("authorization", "AWS x:y").body(String::new()).unwrap(),
        http::Request::get(url("/x")).header("authorization", "Bearer x").body(String::new()).unwrap(),
        http::Request::post(url(""))
            .header("content-type", "multipart/form-data; boundary=x")
            .body("--x--".into())
            .unwrap(),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let (status, body) = fixture.raw(request).await;
        assert!(status == 403 || status == 400, "{what}: {status} {body}");
    }
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
