//! `mint-audit`: see the library.

fn main() -> std::process::ExitCode {
    mint_runtime::main::<mint_audit::Config, _, _>(mint_types::ServiceName::Audit, mint_audit::run)
}
