//! What each command does.

mod app;
mod audit;
mod aws_credentials;
mod destinations;
mod issuer;
mod orphans;
mod pause;
mod policy;
mod reconcile;
mod registry;
mod revoke;
mod rotate;
mod statement;
mod status;
mod watch;

use std::process::ExitCode;

use crate::Error;
use crate::cli::{App, Audit, Cli, Command, GlobalOptions, Issuer, Orphans, Policy, Registry, Statement};
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
        Command::Revoke(options) => revoke::run(&global, options).await,
        Command::Reconcile(options) => reconcile::run(&remote(&global)?, &global, &options).await,
        Command::Watch(options) => watch::run(&remote(&global)?, &global, options.app.as_ref()).await,
        Command::Pause(options) => pause::pause(&remote(&global)?, &options).await,
        Command::Resume(options) => pause::resume(&remote(&global)?, &options).await,
        Command::App(App::Confirm { app, signer }) => {
            destinations::confirm(&remote(&global)?, &global, &app, signer.as_ref()).await
        }
        Command::App(App::Remove { app }) => app::remove(&remote(&global)?, &global, &app).await,
        Command::App(App::Adopt { app }) => app::adopt(&remote(&global)?, &app).await,
        Command::App(App::Restore { app }) => app::restore(&remote(&global)?, &global, &app).await,
        Command::Audit(Audit::List(options)) => audit::list(&remote(&global)?, &global, &options).await,
        Command::Registry(Registry::Budget) => registry::budget(&remote(&global)?, &global).await,
        Command::Registry(Registry::Release(options)) => registry::release(&global, options).await,
        Command::Statement(Statement::Show { file }) => statement::show(&global, &file),
        Command::Statement(Statement::Sign { file, signers }) => statement::sign(&global, &file, &signers),
        Command::Statement(Statement::Submit { file }) => {
            let signed = statement::read(&file)?;
            statement::submit(&remote(&global)?, &signed).await
        }
        Command::Orphans(Orphans::List { fresh }) => orphans::list(&remote(&global)?, &global, fresh).await,
        Command::Orphans(Orphans::Remove { username }) => orphans::remove(&remote(&global)?, username).await,
        Command::Issuer(Issuer::Show) => issuer::show(&remote(&global)?, &global).await,
        Command::Issuer(Issuer::Resume) => issuer::resume(&remote(&global)?, &global).await,
        Command::Policy(Policy::Render(options)) => policy::render(&options),
        Command::Policy(Policy::Lint(options)) => Ok(policy::lint(&global, &options)),
        Command::AwsCredentials(options) => aws_credentials::run(&global, &options).await,
        Command::Import => orphans::plan_import(&remote(&global)?, &global).await,
    }
}

fn reach(global: &GlobalOptions) -> Result<Reach, Error> {
    Reach::find(global, &reach::environment)
}

fn remote(global: &GlobalOptions) -> Result<Remote, Error> {
    reach(global).map(Remote::new)
}
