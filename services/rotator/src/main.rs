//! `mint-rotator`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mint_runtime::main::<mint_rotator::Config, _, _>(mint_types::ServiceName::Rotator, mint_rotator::run)
}
