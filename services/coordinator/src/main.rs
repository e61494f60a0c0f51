//! The coordinator's process.

fn main() -> std::process::ExitCode {
    mint_runtime::main::<mint_coordinator::Config, _, _>(
        mint_types::ServiceName::Coordinator,
        mint_coordinator::run,
    )
}
