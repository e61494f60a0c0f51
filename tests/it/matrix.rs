//! The powers, proved with each principal's own credentials: every S3 action, every RPC.

mod aws;
mod rpc;

use std::time::Duration;

use mint_tests::registry::{Entry, registry};
use mint_tests::world::{Options, World};

async fn small_world() -> World {
    let entries = [Entry::new("alpha"), Entry::new("beta").prefix("teams/blue")];
    let world = World::boot(Options {
        registry: Some(registry(&entries, &["password_grace: 1s"])),
        arguments: vec!["--min-overlap".to_owned(), "1s".to_owned()],
        ..Options::default()
    })
    .await;
    world.until_at_rest(&["alpha", "beta"], Duration::from_mins(2)).await;
    world
}
