//! Applications that log in again and again, one half of them with what lies in the bucket, one half with what berry
//! fetched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mint_tests::application::{Application, Login};
use mint_tests::world::{World, executable};
use tokio::process::{Child, Command};
use tokio::time::MissedTickBehavior;

/// Between two logins of one loop. There are two loops for each application of the example, and the two cores that hash
/// for their logins run the constellation too: this is 30 a second in all.
const PACE: Duration = Duration::from_secs(2);

/// What the login loops saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) logins: u64,
    pub(super) failures: Vec<String>,
}

#[derive(Debug)]
struct Observed {
    started: Instant,
    logins: AtomicU64,
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Observed {
    fn note(&self, who: &str, outcome: Result<String, String>) {
        self.logins.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome {
            let text = format!("{who} after {:.1} s: {error}", self.started.elapsed().as_secs_f64());
            self.failures.lock().expect("no panic inside").push(text);
        }
    }
}

/// Where a loop finds its login.
#[derive(Debug)]
enum Place {
    Bucket,
    Berry(PathBuf),
}

impl Place {
    async fn login(&self, application: &Application) -> Result<Login, String> {
        match self {
            Self::Bucket => application.login().await,
            Self::Berry(directory) => read(directory, application.object_names()),
        }
    }
}

fn read(directory: &Path, names: &[&str]) -> Result<Login, String> {
    // a reader takes the directory that is current now and reads all its files there, as a field agent does
    let current = directory.join(names[0]).canonicalize().map_err(|error| error.to_string())?;
    let mut objects = BTreeMap::new();
    for name in names {
        let path = current.parent().ok_or("no directory")?.join(name);
        let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        objects.insert((*name).to_owned(), serde_json::from_slice(&text).map_err(|error| error.to_string())?);
    }
    Login::from_objects(&objects)
}

/// Looks for the login before every use, as an application does that must survive a rotation.
async fn log_in_again_and_again(
    application: Application,
    place: Place,
    token_url: String,
    delay: Duration,
    observed: Arc<Observed>,
) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + delay, PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let who = format!("{} from {place:?}", application.id);
    while !observed.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let outcome = match place.login(&application).await {
            Ok(login) => login.token(&token_url).await,
            Err(error) => Err(format!("fetch: {error}")),
        };
        observed.note(&who, outcome);
    }
}

fn berry(application: &Application, arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(executable("mint-berry"));
    command.args(arguments).arg(directory).env_clear().envs(&application.environment.0);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// All of them.
pub(super) struct LoginLoops {
    observed: Arc<Observed>,
    berries: Vec<Child>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl LoginLoops {
    /// Two loops and one berry that polls each second for each of these applications.
    pub(super) async fn start(world: &World, ids: &[String]) -> Self {
        let mut ready = Vec::new();
        for id in ids {
            let application = Application::open(world.data(), id).await;
            let directory = world.data().parent().expect("parent").join("berry").join(id);
            let first = berry(&application, &["--once"], &directory).status().await.expect("berry starts");
            assert!(first.success(), "{id}: first fetch");
            ready.push((application, directory));
        }
        let observed = Arc::new(Observed {
            started: Instant::now(),
            logins: AtomicU64::new(0),
            failures: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let apart = PACE / u32::try_from(2 * ready.len()).expect("few applications");
        let (mut berries, mut tasks, mut delay) = (Vec::new(), Vec::new(), Duration::ZERO);
        for (application, directory) in ready {
            berries.push(berry(&application, &["-i", "1"], &directory).spawn().expect("berry starts"));
            for place in [Place::Bucket, Place::Berry(directory)] {
                let token_url = world.endpoints.token_url.clone();
                let observed = observed.clone();
                let login_loop =
                    log_in_again_and_again(application.clone(), place, token_url, delay, observed);
                tasks.push(tokio::spawn(login_loop));
                delay += apart;
            }
        }
        Self { observed, berries, tasks }
    }

    /// Ends them and answers what they saw.
    pub(super) async fn end(self) -> Seen {
        self.observed.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a login loop does not panic");
        }
        for mut berry in self.berries {
            let ended = berry.try_wait().expect("berry is ours");
            assert!(ended.is_none(), "berry runs until it is killed: {ended:?}");
            berry.kill().await.expect("berry runs until it is killed");
        }
        let failures = self.observed.failures.lock().expect("no panic inside").clone();
        Seen { logins: self.observed.logins.load(Ordering::Relaxed), failures }
    }
}
