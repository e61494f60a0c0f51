//! Peers count as dependencies: each must answer a health check once, whatever it answers.

use std::time::Duration;

use mint_types::ServiceName;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::{Channel, Error, Process, Readiness};

/// Between two attempts: a constellation that starts at once is ready within a fraction of a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Of one attempt.
const DEADLINE: Duration = Duration::from_secs(2);

/// Requires every peer, and asks until it answers. A peer that says NOT_SERVING has answered: two services that wait for
/// each other's SERVING would wait for ever.
pub(super) fn peers(process: &Process, peers: &[ServiceName]) -> Result<(), Error> {
    let readiness = process.readiness();
    for service in peers {
        readiness.require(service.as_str());
        let asking = ask(process.peer(*service)?, *service, readiness.clone());
        let shutdown = process.shutdown();
        process.spawn("probe", async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = asking => {}
            }
        });
    }
    Ok(())
}

async fn ask(channel: Channel, service: ServiceName, readiness: Readiness) {
    let mut client = HealthClient::new(channel);
    let mut last = None;
    while readiness.waiting_for().iter().any(|name| name == service.as_str()) {
        let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
        request.set_timeout(DEADLINE);
        match client.check(request).await {
            Ok(_) => readiness.answered(service.as_str()),
            Err(status) => {
                if last != Some(status.code()) {
                    let code = status.code();
                    tracing::info!(peer = %service, ?code, problem = status.message(), "waiting for a peer");
                    last = Some(code);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
