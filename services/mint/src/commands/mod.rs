//! What each command does.

mod app;
mod audit;
mod pause;
mod rotate;
mod status;
mod watch;

use std::process::ExitCode;

use crate::Error;
use crate::cli::{App, Audit, Cli, Command, Common};
use crate::reach::{self, Reach};
use crate::remote::Remote;
use crate::up;

pub(crate) use watch::line;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let Cli { common, command } = cli;
    match command {
        Command::Up(options) => up::run(&common, &options).await,
        Command::Status(options) => status::run(&remote(&common)?, &common, &options).await,
        Command::App(App::Show { app }) => app::show(&remote(&common)?, &common, &app).await,
        Command::App(App::Set(changes)) => {
            let reach = reach(&common)?;
            app::set(&Remote::new(reach.clone()), &reach, &common, &changes).await
        }
        Command::Rotate(options) => rotate::run(&remote(&common)?, &common, &options).await,
        Command::Watch(options) => watch::run(&remote(&common)?, &common, options.app.as_ref()).await,
        Command::Pause(options) => pause::pause(&remote(&common)?, &options).await,
        Command::Resume(options) => pause::resume(&remote(&common)?, &options).await,
        Command::Audit(Audit::List(options)) => audit::list(&remote(&common)?, &common, &options).await,
    }
}

fn reach(common: &Common) -> Result<Reach, Error> {
    Reach::find(common, &reach::environment)
}

fn remote(common: &Common) -> Result<Remote, Error> {
    reach(common).map(Remote::new)
}
