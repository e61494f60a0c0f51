//! The world over real HTTP, as Mint meets it.

mod faults;
mod harness;
mod issuer;
mod kio;
mod process;
mod restart;
mod token;
