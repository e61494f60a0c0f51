use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use ::tracing::Instrument;
use mint_api::audit::v1::AppendRequest;
use mint_api::audit::v1::audit_service_client::AuditServiceClient;
use mint_runtime::{Process, Telemetry, trace};
use mint_types::ServiceName;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::stage::{Running, Stage, act, within};

#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>, Arc<Mutex<Vec<Metric>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter();
        let spans = spans.flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let metrics = request.into_inner().resource_metrics.into_iter();
        self.1.lock().unwrap().extend(metrics.flat_map(|of| of.scope_metrics).flat_map(|of| of.metrics));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_runs_through_two_services_to_the_collector_and_what_is_measured_too() {
    let collector = Collector::default();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(socket)));
    let telemetry = Telemetry::install("test", Some(&endpoint)).unwrap();

    let stage = Stage::new();
    let audit = stage.serve(ServiceName::Audit, act(|_| async { Ok(1) })).await;
    let certificate = stage.pki.service(ServiceName::Coordinator);
    let config = stage.config(certificate, &[(ServiceName::Audit, audit.address)]);
    let process = Process::open(ServiceName::Coordinator, config, &[ServiceName::Audit]).unwrap();
    let onward = process.peer(ServiceName::Audit).unwrap();
    let coordinator = Running::start(
        process,
        act(move |_| {
            let mut client = AuditServiceClient::new(onward.clone());
            async move {
                client.append(AppendRequest::default()).await.map(|answer| answer.into_inner().leaf_index)
            }
        }),
    )
    .await;

    let stored = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let channel = stage.channel("operator/operator", coordinator.address, ServiceName::Coordinator);
    let rotation = trace::span_from(Some(stored), "rotation");
    within(AuditServiceClient::new(channel).append(AppendRequest::default()).instrument(rotation))
        .await
        .unwrap();
    ::tracing::error!(code = "A_CODE", alarm = true, "a person is needed");
    ::tracing::error!(code = "ANOTHER_CODE", "nobody is needed");
    opentelemetry::global::meter("test").u64_counter("test.counted").build().add(3, &[]);
    telemetry.shut_down().await;

    let metrics = collector.1.lock().unwrap().clone();
    let sums = |name: &str| -> Vec<NumberDataPoint> {
        let found = metrics.iter().filter(|metric| metric.name == name);
        let sums = found.filter_map(|metric| match &metric.data {
            Some(metric::Data::Sum(sum)) => Some(sum.data_points.clone()),
            _ => None,
        });
        sums.flatten().collect()
    };
    assert_eq!(sums("test.counted")[0].value, Some(number_data_point::Value::AsInt(3)));
    let alarms = sums("mint.alarms");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0].value, Some(number_data_point::Value::AsInt(1)));
    assert!(format!("{:?}", alarms[0].attributes).contains("A_CODE"), "{alarms:?}");

    let spans = collector.0.lock().unwrap();
    let ours: Vec<&Span> =
        spans.iter().filter(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c").collect();
    let names: Vec<&str> = ours.iter().map(|span| span.name.as_str()).collect();
    let method = "mint.audit.v1.AuditService/Append";
    assert_eq!(names.iter().filter(|name| **name == method).count(), 4, "two calls, both ends: {names:?}");
    assert!(names.contains(&"rotation"), "{names:?}");
    let ids: BTreeSet<String> = ours.iter().map(|span| hex(&span.span_id)).collect();
    for span in &ours {
        let parent = hex(&span.parent_span_id);
        assert!(ids.contains(&parent) || parent == "b7ad6b7169203331", "{} hangs on nothing", span.name);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
