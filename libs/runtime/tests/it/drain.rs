use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mint_api::audit::v1::AppendRequest;
use mint_types::ServiceName;
use tokio::sync::Notify;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::stage::{Act, Stage, act, eventually, within};

/// An act that ends when it is told to.
struct Slow {
    begun: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    go: Arc<Notify>,
}

fn slow() -> (Slow, Act) {
    let slow = Slow { begun: Arc::default(), ended: Arc::default(), go: Arc::default() };
    let (begun, ended, go) = (slow.begun.clone(), slow.ended.clone(), slow.go.clone());
    let act = act(move |_| {
        let (begun, ended, go) = (begun.clone(), ended.clone(), go.clone());
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(7)
        }
    });
    (slow, act)
}

async fn begun(slow: &Slow, acts: u64) {
    eventually(|| async { slow.begun.load(Ordering::SeqCst) == acts }).await;
}

#[tokio::test]
async fn a_drain_finishes_the_call_in_flight_and_takes_no_new_one() {
    let stage = Stage::new();
    let (slow, act) = slow();
    let audit = stage.serve(ServiceName::Audit, act).await;
    let mut client = stage.audit("operator/operator", audit.address);
    let call = tokio::spawn(async move { client.append(AppendRequest::default()).await });
    begun(&slow, 1).await;
    audit.stop();
    let mut late = stage.audit("operator/second", audit.address);
    let refused = within(late.append(AppendRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    slow.go.notify_waiters();
    assert_eq!(within(call).await.unwrap().unwrap().into_inner().leaf_index, 7);
    audit.ended().await.unwrap();
}

#[tokio::test]
async fn a_watcher_does_not_hold_up_the_drain() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let channel = stage.channel("operator/operator", audit.address, ServiceName::Audit);
    let mut watch =
        within(HealthClient::new(channel).watch(HealthCheckRequest::default())).await.unwrap().into_inner();
    assert!(within(watch.message()).await.unwrap().is_some());
    audit.stop();
    let end = within(async {
        loop {
            if let Err(status) = watch.message().await {
                return status;
            }
        }
    })
    .await;
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    audit.ended().await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_within_the_drain_deadline_is_an_error() {
    let stage = Stage::new();
    let (slow, act) = slow();
    let audit = stage.serve(ServiceName::Audit, act).await;
    let mut client = stage.audit("operator/operator", audit.address);
    let _call = tokio::spawn(async move { client.append(AppendRequest::default()).await });
    begun(&slow, 1).await;
    audit.stop();
    assert!(matches!(audit.ended().await, Err(mint_runtime::Error::DrainDeadline)));
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_act() {
    let stage = Stage::new();
    let (slow, act) = slow();
    let audit = stage.serve(ServiceName::Audit, act).await;
    let mut client = stage.audit("operator/operator", audit.address);
    let call = tokio::spawn(async move { client.append(AppendRequest::default()).await });
    begun(&slow, 1).await;
    call.abort();
    assert!(call.await.is_err());

    let mut impatient = Request::new(AppendRequest::default());
    impatient.set_timeout(Duration::from_millis(200));
    let status = within(stage.audit("operator/operator", audit.address).append(impatient)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");

    begun(&slow, 2).await;
    slow.go.notify_waiters();
    eventually(|| async { slow.ended.load(Ordering::SeqCst) == 2 }).await;
}

#[tokio::test]
async fn a_call_that_panics_answers_internal_and_the_next_one_is_served() {
    let stage = Stage::new();
    let calls = Arc::new(AtomicU64::new(0));
    let audit = stage
        .serve(
            ServiceName::Audit,
            act(move |_| {
                let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    assert!(!first, "the secret is hunter2");
                    Ok(1)
                }
            }),
        )
        .await;
    let mut client = stage.audit("operator/operator", audit.address);
    let status = within(client.append(AppendRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("hunter2"));
    assert!(within(client.append(AppendRequest::default())).await.is_ok());
}

#[tokio::test]
async fn a_message_over_four_mebibytes_is_refused() {
    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let mut client = stage.audit("operator/operator", audit.address);
    let request = AppendRequest { reason: "x".repeat(5 << 20), ..AppendRequest::default() };
    let status = within(client.append(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert!(within(client.append(AppendRequest::default())).await.is_ok());
}

#[tokio::test]
async fn the_request_id_of_the_caller_reaches_the_service() {
    let stage = Stage::new();
    let audit = stage
        .serve(
            ServiceName::Audit,
            act(|_| async { Ok(u64::from(mint_runtime::request_id().unwrap().as_uuid().as_fields().0)) }),
        )
        .await;
    let mut client = stage.audit("operator/operator", audit.address);
    let mut request = Request::new(AppendRequest::default());
    request.metadata_mut().insert("x-request-id", "0000002a-0000-4000-8000-000000000000".parse().unwrap());
    assert_eq!(within(client.append(request)).await.unwrap().into_inner().leaf_index, 42);
    let first = within(client.append(AppendRequest::default())).await.unwrap().into_inner().leaf_index;
    let second = within(client.append(AppendRequest::default())).await.unwrap().into_inner().leaf_index;
    assert_ne!(first, second, "a request without an id gets a fresh one");
}
