//! Every S3 action and every role, tried with each service's own credentials.

use mint_tests::application::{assume, s3};
use mint_types::ServiceName;

use super::small_world;

/// Every action that a principal is tried with, and what came of it: `allowed` or the store's code.
async fn actions(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Vec<(&'static str, bool)> {
    macro_rules! tried {
        ($call:expr) => {
            match $call.await {
                Ok(_) => true,
                Err(error) => {
                    let status = error.raw_response().map(|raw| raw.status().as_u16());
                    assert_eq!(status, Some(403), "refused by policy, not by accident: {error:?}");
                    false
                }
            }
        };
    }
    let copied = format!("{key}.copy");
    let source = format!("{bucket}/{key}");
    vec![
        ("s3:GetObject", tried!(client.get_object().bucket(bucket).key(key).send())),
        ("s3:HeadObject", tried!(client.head_object().bucket(bucket).key(key).send())),
        ("s3:ListObjectsV2", tried!(client.list_objects_v2().bucket(bucket).send())),
        ("s3:ListObjects", tried!(client.list_objects().bucket(bucket).send())),
        ("s3:ListBuckets", tried!(client.list_buckets().send())),
        ("s3:ListObjectVersions", tried!(client.list_object_versions().bucket(bucket).send())),
        ("s3:ListMultipartUploads", tried!(client.list_multipart_uploads().bucket(bucket).send())),
        (
            "s3:CopyObject",
            tried!(client.copy_object().bucket(bucket).key(&copied).copy_source(&source).send()),
        ),
        ("s3:DeleteObject", tried!(client.delete_object().bucket(bucket).key(key).send())),
        ("s3:GetObjectAcl", tried!(client.get_object_acl().bucket(bucket).key(key).send())),
        (
            "s3:PutObjectAcl",
            tried!(
                client
                    .put_object_acl()
                    .bucket(bucket)
                    .key(key)
                    .acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead)
                    .send()
            ),
        ),
        ("s3:GetObjectTagging", tried!(client.get_object_tagging().bucket(bucket).key(key).send())),
        ("s3:GetBucketPolicy", tried!(client.get_bucket_policy().bucket(bucket).send())),
        ("s3:PutBucketPolicy", tried!(client.put_bucket_policy().bucket(bucket).policy("{}").send())),
        ("s3:HeadBucket", tried!(client.head_bucket().bucket(bucket).send())),
        ("s3:GetObjectAttributes", {
            let attributes = aws_sdk_s3::types::ObjectAttributes::Etag;
            tried!(
                client.get_object_attributes().bucket(bucket).key(key).object_attributes(attributes).send()
            )
        }),
        ("s3:DeleteObjects", {
            let object = aws_sdk_s3::types::ObjectIdentifier::builder().key(key).build().expect("a key");
            let delete = aws_sdk_s3::types::Delete::builder().objects(object).build().expect("an object");
            tried!(client.delete_objects().bucket(bucket).delete(delete).send())
        }),
        ("s3:PutObjectTagging", {
            let tag = aws_sdk_s3::types::Tag::builder().key("a").value("b").build().expect("a tag");
            let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().expect("tags");
            tried!(client.put_object_tagging().bucket(bucket).key(key).tagging(tagging).send())
        }),
        ("s3:GetBucketAcl", tried!(client.get_bucket_acl().bucket(bucket).send())),
        ("s3:GetBucketVersioning", tried!(client.get_bucket_versioning().bucket(bucket).send())),
        ("s3:DeleteBucketPolicy", tried!(client.delete_bucket_policy().bucket(bucket).send())),
        ("s3:DeleteBucket", tried!(client.delete_bucket().bucket(bucket).send())),
        ("s3:CreateBucket", tried!(client.create_bucket().bucket("a-new-bucket").send())),
        ("s3:GetBucketLocation", tried!(client.get_bucket_location().bucket(bucket).send())),
        (
            "s3:PutObject",
            tried!(client.put_object().bucket(bucket).key(key).body(b"{}".to_vec().into()).send()),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_services_own_aws_credentials_only_its_one_power_works() {
    let world = small_world().await;
    let bucket = "team-credentials";
    for service in ServiceName::ALL {
        let file = world.data().join("run/tokens").join(service.as_str()).join("token");
        let token =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let role = format!("arn:aws:iam::000000000000:role/mint-{service}");
        let endpoints = &world.endpoints;
        let credentials =
            assume(&endpoints.sts_endpoint, &endpoints.s3_region, &role, service.as_str(), &token)
                .await
                .unwrap_or_else(|error| panic!("{service} assumes its own role: {error}"));
        let client = s3(&endpoints.s3_endpoint, &endpoints.s3_region, credentials);
        for key in ["alpha/probe.json", "teams/blue/beta/probe.json"] {
            for (action, allowed) in actions(&client, bucket, key).await {
                let power = service == ServiceName::Distributor && action == "s3:PutObject";
                assert_eq!(allowed, power, "{service}: {action} on {key}");
            }
        }
        let outside = client
            .put_object()
            .bucket("spare-credentials")
            .key("alpha/probe.json")
            .body(b"{}".to_vec().into());
        let elsewhere = outside.send().await;
        assert!(
            service == ServiceName::Distributor || elsewhere.is_err(),
            "{service} writes to a bucket that nobody gave it"
        );
        for other in ServiceName::ALL.into_iter().filter(|other| *other != service) {
            let role = format!("arn:aws:iam::000000000000:role/mint-{other}");
            let taken = assume(&endpoints.sts_endpoint, &endpoints.s3_region, &role, "thief", &token).await;
            assert!(taken.is_err(), "{service}'s token assumed the role of {other}");
        }
    }
    world.stop().await;
}
