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
pub struct Ground {
    /// `DIR`; what the sandbox keeps is below `DIR/sandbox`.
    pub directory: PathBuf,
    /// Who the world consists of now; changes with `POST /registry`.
    pub world: watch::Receiver<Arc<World>>,
    pub calls: Arc<CallLog>,
    pub faults: Arc<Faults>,
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub default_region: String,
    pub trust_domain: String,
    /// Where the main listener really listens.
    pub address: SocketAddr,
    /// Where S3 really listens.
    pub s3_address: SocketAddr,
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
}

impl Ground {
    /// `http://127.0.0.1:PORT` of the main listener: the issuer of access tokens.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The world as it is now.
    pub fn world_now(&self) -> Arc<World> {
        Arc::clone(&self.world.borrow())
    }

    pub fn gate(&self, naming: Naming) -> Gate {
        Gate {
            calls: Arc::clone(&self.calls),
            faults: Arc::clone(&self.faults),
            clock: Arc::clone(&self.clock),
            naming,
        }
    }
}
