//! A second coordinator beside the first, on the same state.

use std::process::Stdio;

use mint_api::coordination::v1::GetApplicationRequest;
use mint_api::coordination::v1::coordination_service_client::CoordinationServiceClient;
use mint_runtime::client::Channel;
use mint_tests::application::eventually;
use mint_tests::world::{Live, World, at_rest, executable};
use mint_types::ServiceName;
use tokio::process::{Child, Command};

use super::{COMMIT, CREATE, DEADLINE, logs_in, passwords, rotate_password, world};

/// A coordinator of its own name on the state of the world's; ends with the test.
struct Standby {
    _child: Child,
    coordination: CoordinationServiceClient<Channel>,
}

impl Standby {
    async fn start(world: &World) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = free.local_addr().expect("an address");
        drop(free);
        let child = Command::new(executable("mint-coordinator"))
            .arg("--config")
            .arg(world.data().join("run/coordinator.toml"))
            .env("MINT_COORDINATOR__LISTEN", listen.to_string())
            .env("MINT_COORDINATOR__ROTATION__INSTANCE", "standby")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the coordinator starts");
        let operator = world.operator();
        let channel = mint_runtime::client::connect(
            &format!("https://{listen}").parse().expect("an URL"),
            &world.endpoints.ca,
            &operator.cert,
            &operator.key,
            Some(&"mint.local".parse().expect("a trust domain")),
            ServiceName::Coordinator,
        );
        let coordination = CoordinationServiceClient::new(channel.expect("an operator's identity"));
        let standby = Self { _child: child, coordination };
        standby.until(world, "f16-a", 1).await;
        standby
    }

    /// Waits until it says of an application that its password was replaced so often and that it rests.
    async fn until(&self, world: &World, id: &str, rotations: u64) {
        eventually(&format!("{id}: {rotations} rotations by the standby's word"), DEADLINE, || async {
            let request = GetApplicationRequest { application_id: id.to_owned() };
            let answer = self.coordination.clone().get_application(request).await.ok()?.into_inner();
            let status = answer.application?;
            (at_rest(&status) && passwords(&status) == rotations).then_some(())
        })
        .await;
        assert!(world.child_pid(ServiceName::Coordinator.as_str()).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_standby_that_works_too_does_nothing_twice() {
    let world = world().await;
    let ids = ["f16-a", "f16-b", "f16-c"];
    world.until_at_rest(&ids, DEADLINE).await;
    let standby = Standby::start(&world).await;
    let since = world.last_call().await;
    for round in 2..5 {
        for id in ids {
            rotate_password(&world, id).await;
        }
        for id in ids {
            standby.until(&world, id, round).await;
        }
        for id in ids {
            world
                .until(id, "rotated", DEADLINE, |status| at_rest(status) && passwords(status) == round)
                .await;
        }
    }
    for id in ids {
        for api in [CREATE, COMMIT] {
            assert_eq!(world.calls_of(since, api, id).await.len(), 3, "{id}: {api}, once a rotation");
        }
        let writes = world.calls_of(since, "s3.PutObject", id).await;
        assert_eq!(writes.len(), 3, "{id}: {writes:?}");
        assert_eq!(world.live(id).await, Live { passwords: 1, clients: 1 }, "{id}");
        assert_eq!(world.shown_problems(id).await, [""; 0], "{id}");
        logs_in(&world, id).await;
    }
}
