//! What every part of this world stands on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mint_store::Database;
use mint_types::{Clock, Entropy};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::CallLog;
use crate::faults::Faults;
use crate::gate::{Gate, Naming};
use crate::world::World;

#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// `DIR`; what the sandbox keeps is below `DIR/sandbox`.
    pub(crate) directory: PathBuf,
    /// Who the world consists of now; changes with `POST /registry`.
    pub(crate) world: watch::Receiver<Arc<World>>,
    pub(crate) calls: Arc<CallLog>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) default_region: String,
    /// The credential broker, if there is one.
    pub(crate) broker_issuer: Option<mint_types::OutboundUrl>,
    /// Where the main listener really listens.
    pub(crate) address: SocketAddr,
    /// Where S3 really listens.
    pub(crate) s3_address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Ground {
    /// `http://127.0.0.1:PORT` of the main listener: the issuer of access tokens.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The world as it is now.
    pub(crate) fn world_now(&self) -> Arc<World> {
        Arc::clone(&self.world.borrow())
    }

    pub(crate) fn gate(&self, naming: Naming) -> Gate {
        Gate {
            calls: Arc::clone(&self.calls),
            faults: Arc::clone(&self.faults),
            clock: Arc::clone(&self.clock),
            naming,
        }
    }
}
