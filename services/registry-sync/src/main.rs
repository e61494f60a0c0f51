//! Entry point; everything is decided in [`mint_registry_sync::run`].

fn main() -> std::process::ExitCode {
    mint_runtime::main::<mint_registry_sync::Config, _, _>(
        mint_types::ServiceName::RegistrySync,
        mint_registry_sync::run,
    )
}
