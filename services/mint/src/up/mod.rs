//! `mint up`: the whole constellation on one machine.

mod backoff;
mod board;
mod children;
mod configs;
mod console;
mod endpoints;
mod environment;
mod executables;
mod follow;
mod input;
mod layout;
mod lines;
mod lock;
mod once;
mod pki;
mod ports;
mod programs;
mod provide;
mod sandbox;
mod settle;
mod statements;
mod supervisor;
mod urls;

use std::process::ExitCode;
use std::sync::Arc;

use mint_runtime::{SystemClock, SystemEntropy};
use mint_types::{Clock, Period, ServiceName};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

pub(crate) use endpoints::Endpoints;
pub(crate) use layout::endpoints as endpoints_file;

use crate::Error;
use crate::cli::{GlobalOptions, Up};
use crate::reach::{self, Reach};
use crate::registry_file::RegistryFile;
use crate::remote::Remote;
use children::Children;
use configs::{Plan, Tempo};
use console::Console;
use executables::Executables;
use layout::DataDirectory;
use lock::Lock;
use pki::Authority;
use ports::Ports;
use urls::Urls;

/// The trust domain of an embedded world.
pub(crate) const TRUST_DOMAIN: &str = "mint.local";
/// The region of the embedded store.
pub(crate) const REGION: &str = "eu-central-1";
/// The embedded issuer's grace where the registry file does not say.
const PASSWORD_GRACE: Period = Period::from_seconds(10);

/// What runs here: the constellation that rotates, and the broker beside it.
pub(crate) fn services() -> impl Iterator<Item = ServiceName> {
    ServiceName::ALL.into_iter().chain([ServiceName::Broker])
}

/// Everything that is decided before the first process starts.
struct World {
    directory: DataDirectory,
    registry: RegistryFile,
    authority: Authority,
    urls: Urls,
    console: Console,
    clock: Arc<dyn Clock>,
    started: Instant,
}

/// Runs the world until it is done (`--once`) or told to stop.
pub(crate) async fn run(global: &GlobalOptions, options: &Up) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let mut signals = Signals::listen()?;
    let executables = Executables::beside_this_one()?;
    let directory = DataDirectory::create(&reach::data_directory(global, &reach::environment))?;
    let _lock = Lock::take(&directory)?;
    layout::remove(&directory.endpoints())?;
    let registry = input::choose(&directory, options.registry.as_deref())?;
    lock::await_orphans(&directory).await?;

    let entropy = SystemEntropy;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(&entropy));
    let authority = Authority::open(&directory.pki(), reach::embedded_trust_domain(), Arc::clone(&clock))?;
    provide::principals(&directory, &authority, &registry)?;
    statements::provide(&directory, &registry, &entropy)?;
    let ports = Ports::choose(&directory, &entropy)?;
    let urls = Urls::new(&ports);
    let tempo = Tempo {
        min_overlap: options.min_overlap,
        tombstone: options.tombstone,
        lease: options.lease,
        password_grace: registry.world.password_grace.unwrap_or(PASSWORD_GRACE),
    };
    Plan { directory: &directory, registry: &registry, ports: &ports, urls: &urls, tempo }.write()?;

    let console = Console::open();
    let mut children = Children::new(directory.clone(), console.clone());
    let programs =
        programs::Programs { executables, directory: directory.clone(), ports, urls: urls.clone() };
    let world = World { directory, registry, authority, urls, console, clock, started };
    // children are started by the life of the world and watched here: one that refuses its configuration ends it
    let (start, mut started_programs) = tokio::sync::mpsc::unbounded_channel();
    let life = live(&world, &programs, global, options, start);
    tokio::pin!(life);
    let result = loop {
        tokio::select! {
            Some(program) = started_programs.recv() => children.start(program),
            error = children.refusal() => break Err(error),
            result = &mut life => break result,
            () = signals.stop() => break Ok(interrupted(options)),
        }
    };
    world.console.close();
    world.console.say("mint: stopping");
    let removed = layout::remove(&world.directory.endpoints());
    // whatever the disk says, nobody is left behind
    children.stop().await;
    removed.and(result)
}

/// From the first process to the end: [`run`] stops everything whatever comes of it.
async fn live(
    world: &World,
    programs: &programs::Programs,
    global: &GlobalOptions,
    options: &Up,
    start: tokio::sync::mpsc::UnboundedSender<children::Program>,
) -> Result<ExitCode, Error> {
    let begin = |program| {
        // the receiver lives as long as this future
        let _ = start.send(program);
    };
    world.console.say(format_args!("mint: starting a world in {}", world.directory.root().display()));
    let deadline = world.started + options.timeout.as_duration();
    let endpoints = Endpoints::of(&world.directory, &world.urls);
    let remote = Remote::new(Reach::of_world(endpoints.clone(), world.directory.root()));
    let run = async {
        begin(programs.sandbox());
        sandbox::ready(&world.urls, &world.console).await;
        begin(programs.service(ServiceName::Audit));
        begin(programs.service(ServiceName::RegistrySync));
        settle::serving(&remote, &[ServiceName::Audit, ServiceName::RegistrySync], &world.console).await;
        settle::settings(&remote, world).await;
        for service in services() {
            if !matches!(service, ServiceName::Audit | ServiceName::RegistrySync) {
                begin(programs.service(service));
            }
        }
        settle::serving(&remote, &services().collect::<Vec<_>>(), &world.console).await;
        provide::everybody(&remote, world).await?;
        endpoints.write(&world.directory)
    };
    if !options.once {
        run.await?;
        let data = world.directory.root().display();
        world.console.say(format_args!(
            "mint: the world runs; `mint status --data {data}` shows how it stands, Ctrl-C ends it"
        ));
        return follow::forever(&remote, world).await;
    }
    match tokio::time::timeout_at(deadline, run).await {
        Ok(ready) => ready?,
        Err(_) => world.console.say("mint: the services were not ready in time"),
    }
    once::run(&remote, world, global, options, deadline).await
}

fn interrupted(options: &Up) -> ExitCode {
    ExitCode::from(if options.once { crate::error::FAILED } else { crate::error::OK })
}

/// The signals that end a world.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::io("listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
