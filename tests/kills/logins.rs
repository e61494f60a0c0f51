//! Applications that log in all the while, with what lies in the bucket now and with what lay there within the overlap.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mint_tests::application::{Application, Login};
use mint_tests::world::World;

/// Between two turns of one application.
const PACE: Duration = Duration::from_secs(1);

/// What they saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) logins: AtomicU64,
    pub(crate) failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Seen {
    /// A refusal counts if what was refused could still be read within the overlap before the answer, however long that
    /// took.
    fn note(&self, who: &str, outcome: Result<String, String>, is_in_use: bool) {
        self.logins.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome
            && is_in_use
        {
            println!("FAILED login: {who}: {error}");
            self.failures.lock().unwrap().push(format!("{who}: {error}"));
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct LoginLoops {
    seen: Arc<Seen>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl LoginLoops {
    pub(crate) async fn start(world: &World, ids: &[String], overlap: Duration) -> Self {
        let seen = Arc::new(Seen::default());
        let mut tasks = Vec::new();
        for id in ids {
            let application = Application::open(world.data(), id).await;
            let (token_url, seen) = (world.endpoints.token_url.clone(), Arc::clone(&seen));
            tasks.push(tokio::spawn(log_in_again_and_again(application, token_url, overlap, seen)));
        }
        Self { seen, tasks }
    }

    /// Stops them, and answers what they saw; an application that broke off is a failure.
    pub(crate) async fn end(self) -> (u64, Vec<String>) {
        self.seen.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no loop breaks off");
        }
        let failures = self.seen.failures.lock().unwrap().clone();
        (self.seen.logins.load(Ordering::Relaxed), failures)
    }
}

async fn log_in_again_and_again(
    application: Application,
    token_url: String,
    overlap: Duration,
    seen: Arc<Seen>,
) {
    let mut kept: Option<(Login, Instant)> = None;
    while !seen.stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        match application.login().await {
            Ok(login) => {
                if let Some((old, last)) = &kept
                    && last.elapsed() < overlap
                {
                    let answer = old.token(&token_url).await;
                    let who = format!("{} with what it had", application.id);
                    seen.note(&who, answer, last.elapsed() < overlap);
                }
                let answer = login.token(&token_url).await;
                seen.note(&application.id, answer, asked.elapsed() < overlap);
                kept = Some((login, asked));
            }
            Err(error) => seen.note(&application.id, Err(format!("it cannot fetch: {error}")), true),
        }
        tokio::time::sleep(PACE).await;
    }
}
