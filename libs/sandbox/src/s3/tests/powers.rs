//! Every operation that the SDK offers, by every principal.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectCannedAcl, ObjectIdentifier, Tag, Tagging};

use super::{BUCKET, deliver, fetch};
use crate::cloud_fixture::{Fixture, verdict};

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
