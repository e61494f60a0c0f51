//! The distributor's process.

fn main() -> std::process::ExitCode {
    mint_runtime::main::<mint_distributor::Config, _, _>(
        mint_types::ServiceName::Distributor,
        mint_distributor::run,
    )
}
