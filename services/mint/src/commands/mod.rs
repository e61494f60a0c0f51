//! What each command does.

mod app;
mod audit;
mod pause;
mod rotate;
mod status;
mod watch;

use std::process::ExitCode;

use crate::Error;
use crate::cli::{App, Audit, Cli, Command, GlobalOptions};
use crate::reach::{self, Reach};
use crate::remote::Remote;
use crate::up;

pub(crate) use watch::line;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode, Error> {
    let Cli { global, command } = cli;
    match command {
        Command::Up(options) => up::run(&global, &options).await,
        Command::Status(options) => status::run(&remote(&global)?, &global, &options).await,
        Command::App(App::Show { app }) => app::show(&remote(&global)?, &global, &app).await,
        Command::App(App::Set(changes)) => {
            let reach = reach(&global)?;
            app::set(&Remote::new(reach.clone()), &reach, &global, &changes).await
        }
        Command::Rotate(options) => rotate::run(&remote(&global)?, &global, &options).await,
        Command::Watch(options) => watch::run(&remote(&global)?, &global, options.app.as_ref()).await,
        Command::Pause(options) => pause::pause(&remote(&global)?, &options).await,
        Command::Resume(options) => pause::resume(&remote(&global)?, &options).await,
        Command::Audit(Audit::List(options)) => audit::list(&remote(&global)?, &global, &options).await,
    }
}

fn reach(global: &GlobalOptions) -> Result<Reach, Error> {
    Reach::find(global, &reach::environment)
}

fn remote(global: &GlobalOptions) -> Result<Remote, Error> {
    reach(global).map(Remote::new)
}
