//! Watches how the applications come along, and tells it.

use std::process::ExitCode;
use std::time::Duration;

use super::board::Board;
use super::{World, provide};
use crate::Error;
use crate::commands::line;
use crate::remote::Remote;
use crate::standing::{Standing, State};

/// Before a lost watch is taken up again.
const PAUSE: Duration = Duration::from_millis(300);

/// Keeps the world's directory true and tells every change, until somebody stops it.
pub(crate) async fn forever(remote: &Remote, world: &World) -> Result<ExitCode, Error> {
    let mut board = Board::default();
    let watching = until(remote, world, &mut board, |_| false);
    tokio::select! {
        () = watching => {}
        never = provide::keep(remote, world) => match never {},
        never = provide::renew(world) => match never {},
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes statuses until `done` says so. A coordinator that dies is started again; the watch is taken up again then.
pub(crate) async fn until(remote: &Remote, world: &World, board: &mut Board, done: impl Fn(&Board) -> bool) {
    while !done(board) {
        match remote.watch_standings(None).await {
            Ok(mut stream) => {
                while let Ok(Some(change)) = stream.message().await {
                    let Some(standing) = change.application.map(Standing::from) else { continue };
                    tell(world, board, standing);
                    if done(board) {
                        return;
                    }
                }
            }
            // its end was told when it died, and its start will be
            Err(Error::Unanswered { .. }) => {}
            Err(refused) => world.console.say(format_args!("mint: the watch of the coordinator: {refused}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(world: &World, board: &mut Board, standing: Standing) {
    let text = line(&standing);
    if board.take(standing) {
        world.console.say(text);
    }
    let [delivered, failed, pending] =
        [State::Delivered, State::Failed, State::Pending].map(|state| board.in_state(state));
    let message = format_args!("{delivered} delivered, {failed} failed, {pending} under way");
    world.console.progress(delivered + failed, delivered + failed + pending, message);
}
