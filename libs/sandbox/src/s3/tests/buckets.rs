//! Whose bucket it is, and what becomes of it when the world changes or starts again.

use aws_sdk_s3::primitives::ByteStream;

use super::{BUCKET, OWNER, deliver, fetch};
use crate::cloud_fixture::{Fixture, REGION, verdict};
use crate::world::World;

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
