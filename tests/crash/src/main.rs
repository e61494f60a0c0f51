//! A service whose points act, by the name it is called by: `mint-rotator …` is the rotator. Killed by a point, it
//! starts again; whatever else ends it ends it.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use mint_types::ServiceName;
use rustix::process::Signal;

/// Set for the process that is the service; the one that starts it again does not have it.
const LIFE: &str = "MINT_CRASH_LIFE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--points") {
        for (_, name) in mint_crash::all_points() {
            let _ = writeln!(std::io::stdout(), "{name}");
        }
        return ExitCode::SUCCESS;
    }
    let called = arguments.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let called = called.to_string_lossy();
    let named = |service: &ServiceName| called == format!("mint-{service}");
    let Some(service) = ServiceName::ALL.into_iter().find(named) else {
        return refuse("is called by a service's name, such as mint-rotator");
    };
    let Some(faults) = faults(&arguments) else {
        return refuse("needs --config DATA/run/<service>.toml");
    };
    if std::env::var_os(LIFE).is_none() {
        return live_again(service, &faults, &arguments);
    }
    mint_port::arm::install(&faults, service.as_str());
    run(service)
}

fn refuse(problem: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "crash-service {problem} ({})", mint_port::arm::MARK);
    ExitCode::from(64)
}

/// `--config DATA/run/rotator.toml` says where the world is.
fn faults(arguments: &[String]) -> Option<PathBuf> {
    let at = arguments.iter().position(|argument| argument == "--config")?;
    let data = Path::new(arguments.get(at + 1)?).parent()?.parent()?;
    Some(data.join(mint_crash::FAULTS))
}

/// Starts the service, again and again while it is killed.
fn live_again(service: ServiceName, faults: &Path, arguments: &[String]) -> ExitCode {
    if rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).is_err() {
        return refuse("cannot follow its parent");
    }
    loop {
        let mut life = Command::new("/proc/self/exe");
        life.arg0(arguments.first().map_or("", String::as_str)).args(arguments.iter().skip(1)).env(LIFE, "1");
        if let Ok(mutation) = std::fs::read_to_string(faults.join("mutation")) {
            life.env("MINT_MUTATION", mutation.trim());
        }
        let Ok(mut child) = life.spawn() else {
            return refuse("cannot start itself");
        };
        // whoever wants to kill it needs to know it
        let _ = std::fs::write(faults.join(format!("{service}.pid")), child.id().to_string());
        match child.wait() {
            Ok(status) if status.signal() == Some(Signal::KILL.as_raw()) => {}
            Ok(status) => {
                return status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .map_or(ExitCode::FAILURE, ExitCode::from);
            }
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

fn run(service: ServiceName) -> ExitCode {
    match service {
        ServiceName::Audit => mint_runtime::main::<mint_audit::Config, _, _>(service, mint_audit::run),
        ServiceName::Coordinator => {
            mint_runtime::main::<mint_coordinator::Config, _, _>(service, mint_coordinator::run)
        }
        ServiceName::Distributor => {
            mint_runtime::main::<mint_distributor::Config, _, _>(service, mint_distributor::run)
        }
        ServiceName::IdentityProvisioner => mint_runtime::main::<mint_identity_provisioner::Config, _, _>(
            service,
            mint_identity_provisioner::run,
        ),
        ServiceName::RegistrySync => {
            mint_runtime::main::<mint_registry_sync::Config, _, _>(service, mint_registry_sync::run)
        }
        ServiceName::Rotator => mint_runtime::main::<mint_rotator::Config, _, _>(service, mint_rotator::run),
        ServiceName::Broker => refuse("has no broker in it: a constellation that rotates runs none"),
    }
}
