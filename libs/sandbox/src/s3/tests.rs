//! The real SDK against the real listener: what each role may do, and what no one may.

mod buckets;
mod powers;
mod requests;
mod signatures;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use crate::cloud_fixture::{Fixture, verdict};

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
