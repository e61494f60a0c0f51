//! One service as several processes behind one address, each started again as soon as it dies.
//!
//! `mint up` starts this program under the service's name and believes that it is the service. The replicas get the same
//! configuration but for the port, and a coordinator its own name: everything else they share, as replicas in a cluster do.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mint_types::ServiceName;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::postgres;

/// Before a program that died at once is started again.
const PAUSE: Duration = Duration::from_millis(100);
/// Where replicas listen: below the ports that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..30_000;

/// How many processes a service is.
pub(crate) fn replicas(service: ServiceName) -> usize {
    match service {
        ServiceName::Coordinator => 3,
        ServiceName::Rotator | ServiceName::Distributor => 2,
        ServiceName::Audit
        | ServiceName::IdentityProvisioner
        | ServiceName::RegistrySync
        | ServiceName::Broker => 1,
    }
}

/// The service by whose name this program was called.
pub(crate) fn called(name: &str) -> Option<ServiceName> {
    let name = Path::new(name).file_name()?.to_str()?;
    ServiceName::ALL.into_iter().find(|service| name == format!("mint-{service}"))
}

/// Where the process id of a replica stands.
pub(crate) fn pid_file(data: &Path, service: ServiceName, number: usize) -> PathBuf {
    data.join("replicas").join(format!("{service}-{number}.pid"))
}

/// Is the service until somebody ends it.
pub(crate) fn run(service: ServiceName, arguments: &[String]) -> ExitCode {
    let config = arguments.iter().position(|argument| argument == "--config").map(|at| &arguments[at + 1]);
    let config = PathBuf::from(config.expect("mint up names the configuration"));
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .expect("a crowd ends with its world");
    // one thread: a replica dies with the thread that started it
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(service, &config, arguments));
    ExitCode::SUCCESS
}

async fn serve(service: ServiceName, config: &Path, arguments: &[String]) {
    migrate(service, config).await;
    let data = config.parent().and_then(Path::parent).unwrap();
    std::fs::create_dir_all(data.join("replicas")).unwrap();
    let listen = listen_of(config);
    let offset = usize::from(listen.port()) * 7 % 1000;
    let free = PORTS.skip(offset).filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: Vec<u16> = free.step_by(7).take(replicas(service)).collect();
    let mut alive = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        alive.push(live_again(service, number, *port, data, arguments));
        // the first one makes what all of them share: keys, and the schema
        tokio::select! {
            () = answers(*port) => {}
            () = alive[number].as_mut() => {}
        }
    }
    let ports: Arc<[u16]> = ports.into();
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = terminated.recv() => {}
        () = forward(listen, ports) => {}
        _ = futures::future::select_all(alive) => {}
    }
}

/// What an administrator does before the first start: the owner makes the schema, and grants the service's role its part.
async fn migrate(service: ServiceName, config: &Path) {
    let url = format!("{}STATE__URL", variables_of(service));
    let owner = postgres::owner_of(&std::env::var(&url).expect("mint-kills names the database"), service);
    postgres::administer(service, &owner);
    let migrated = Command::new(program_of(service))
        .arg("migrate")
        .arg("--config")
        .arg(config)
        .env(url, &owner)
        .status()
        .await
        .expect("the service's program");
    assert!(migrated.success(), "{service} is not migrated: {migrated}");
    postgres::administer(service, &owner);
}

/// The real program of a service.
fn program_of(service: ServiceName) -> PathBuf {
    let own = std::fs::canonicalize("/proc/self/exe").unwrap();
    own.with_file_name(format!("mint-{service}"))
}

/// What the names of a service's environment variables begin with.
pub(crate) fn variables_of(service: ServiceName) -> String {
    format!("MINT_{}__", service.as_str().replace('-', "_").to_ascii_uppercase())
}

fn listen_of(config: &Path) -> SocketAddr {
    let text = std::fs::read_to_string(config).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("listen = ")).expect("a service listens");
    line.trim_matches('"').parse().unwrap()
}

async fn answers(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends only if the program cannot be started.
fn live_again<'a>(
    service: ServiceName,
    number: usize,
    port: u16,
    data: &'a Path,
    arguments: &'a [String],
) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>> {
    let (own, executable) = (variables_of(service), program_of(service));
    Box::pin(async move {
        loop {
            let mut command = Command::new(&executable);
            command.args(&arguments[1..]).env(format!("{own}LISTEN"), format!("127.0.0.1:{port}"));
            if service == ServiceName::Coordinator {
                command.env(format!("{own}ROTATION__INSTANCE"), format!("replica-{number}"));
            }
            command.as_std_mut().arg0(format!("mint-{service}"));
            let Ok(mut child) = command.spawn() else { return };
            let file = pid_file(data, service, number);
            let next = file.with_extension("next");
            std::fs::write(&next, child.id().unwrap_or_default().to_string()).unwrap();
            std::fs::rename(next, file).unwrap();
            let _died = child.wait().await;
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// Gives each connection to the next replica that takes it.
async fn forward(listen: SocketAddr, ports: Arc<[u16]>) {
    let listener = TcpListener::bind(listen).await.expect("the service's port is free");
    let next = AtomicUsize::new(0);
    loop {
        let Ok((mut client, _)) = listener.accept().await else { continue };
        let first = next.fetch_add(1, Ordering::Relaxed);
        let ports = Arc::clone(&ports);
        tokio::spawn(async move {
            for step in 0..ports.len() {
                let port = ports[(first + step) % ports.len()];
                if let Ok(mut replica) = TcpStream::connect(("127.0.0.1", port)).await {
                    let _either_end = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
                    return;
                }
            }
        });
    }
}
