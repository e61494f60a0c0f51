//! `mint pause` and `mint resume`.

use std::process::ExitCode;

use mint_types::ApplicationId;

use crate::Error;
use crate::cli::{Pause, Resume};
use crate::remote::Remote;
use crate::talk;

pub(crate) async fn pause(remote: &Remote, options: &Pause) -> Result<ExitCode, Error> {
    remote.pause(options.app.as_ref(), &options.reason).await?;
    talk::say(format_args!("mint: {} paused: nothing new is started", whom(options.app.as_ref())));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn resume(remote: &Remote, options: &Resume) -> Result<ExitCode, Error> {
    remote.resume(options.app.as_ref()).await?;
    talk::say(format_args!("mint: {} resumed", whom(options.app.as_ref())));
    Ok(ExitCode::SUCCESS)
}

fn whom(application: Option<&ApplicationId>) -> String {
    application
        .map_or_else(|| "the whole constellation is".to_owned(), |application| format!("{application} is"))
}
