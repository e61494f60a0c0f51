//! Signing keys and what they sign.

mod book;
mod key;
mod schedule;
mod tend;
mod token;

pub use book::{KeyBook, PublishedKey};
pub use key::Algorithm;
pub use schedule::Stage;
pub use token::{AUDIENCE, TaggedToken};

pub(crate) use book::{Care, LOOK};
pub(crate) use key::PrivateKey;
pub(crate) use schedule::{Entry, LONGEST_TOKEN};
pub(crate) use tend::{Tending, make_first, make_missing, rotate};

use key::PublicKey;
use schedule::Schedule;
