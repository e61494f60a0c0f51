//! The gRPC side: decode, one call, encode.

use mint_api::audit::v1::audit_service_server::AuditService;
use mint_api::audit::v1::{
    Act, AppendRequest, AppendResponse, Entry, ListEntriesRequest, ListEntriesResponse,
};
use mint_api::{Fault, InvalidMessage, convert};
use mint_runtime::peer_of;
use tonic::{Request, Response, Status};

use crate::draft::Draft;
use crate::execute::Log;
use crate::leaf::kind_number;
use crate::plan::Stored;
use crate::ports::Filter;

/// When a request says none.
const DEFAULT_PAGE: u32 = 100;
/// About 1 MiB of entries.
const LARGEST_PAGE: u32 = 1000;

/// `mint.audit.v1.AuditService`.
#[derive(Debug)]
pub struct AuditApi {
    log: Log,
}

impl AuditApi {
    /// Over a log.
    pub fn new(log: Log) -> Self {
        Self { log }
    }
}

#[tonic::async_trait]
impl AuditService for AuditApi {
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        let actor = peer_of(&request)?;
        let draft = Draft::read(actor, request.into_inner())?;
        let leaf = self.log.append(draft).await.map_err(Fault::from)?.map_err(Fault::from)?;
        Ok(Response::new(AppendResponse { leaf_index: leaf.index, leaf_hash: leaf.hash.to_vec() }))
    }

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        let request = request.into_inner();
        let (start, size) = page_of(&request)?;
        let page = self.log.list(&filter_of(request)?, start, size).await.map_err(Fault::from)?;
        Ok(Response::new(ListEntriesResponse {
            entries: page.entries.iter().map(entry).collect(),
            next_page_token: page.next.map(|next| next.to_string()).unwrap_or_default(),
        }))
    }
}

fn page_of(request: &ListEntriesRequest) -> Result<(u64, u32), InvalidMessage> {
    let size = match request.page_size {
        0 => DEFAULT_PAGE,
        size @ 1..=LARGEST_PAGE => size,
        _ => return Err(InvalidMessage::new("page_size", "must be at most 1000")),
    };
    let start = match request.page_token.as_str() {
        "" => 0,
        token => {
            token.parse().map_err(|_| InvalidMessage::new("page_token", "is none that this service gave"))?
        }
    };
    Ok((start, size))
}

fn filter_of(request: ListEntriesRequest) -> Result<Filter, InvalidMessage> {
    Ok(Filter {
        application: convert::parse_optional("application_id", &request.application_id)?,
        actor: convert::parse_optional("actor", &request.actor)?,
        action: Some(request.action).filter(|action| !action.is_empty()),
        rotation: convert::parse_optional("rotation_id", &request.rotation_id)?,
        since: request.since.as_ref().map(convert::timestamp_from_wire),
        until: request.until.as_ref().map(convert::timestamp_from_wire),
    })
}

fn entry(stored: &Stored) -> Entry {
    let (leaf, draft) = (&stored.leaf, &stored.draft);
    let (outcome, reason) = draft.half.outcome();
    Entry {
        leaf_index: leaf.index,
        leaf_hash: leaf.hash.to_vec(),
        at: Some(convert::timestamp_to_wire(leaf.at)),
        actor: draft.actor.to_string(),
        phase: draft.half.phase().into(),
        act: Some(Act {
            action: draft.action.clone(),
            application_id: draft.application.as_ref().map(ToString::to_string).unwrap_or_default(),
            kind: kind_number(draft),
            resource: draft.resource.clone(),
            rotation_id: draft.rotation.map(|rotation| rotation.to_string()).unwrap_or_default(),
            request_id: draft.request.to_string(),
            requested_role: draft.requested_role.clone(),
            subject: draft.subject.clone(),
        }),
        outcome: outcome.into(),
        reason: reason.to_owned(),
        init_index: draft.concludes().unwrap_or_default(),
    }
}
