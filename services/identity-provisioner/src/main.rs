//! Entry point; everything is decided in [`mint_identity_provisioner::run`].

fn main() -> std::process::ExitCode {
    mint_runtime::main::<mint_identity_provisioner::Config, _, _>(
        mint_types::ServiceName::IdentityProvisioner,
        mint_identity_provisioner::run,
    )
}
