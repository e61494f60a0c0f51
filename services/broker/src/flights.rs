//! Callers who ask the same at the same time share one answer. Whoever hangs up does not stop it for the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _, Shared};
use tokio_util::task::TaskTracker;

/// An answer on its way; none if its task was lost.
type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;
type Board<K, V> = Arc<Mutex<HashMap<K, Flight<V>>>>;

/// What is on its way.
#[derive(Debug)]
pub(crate) struct Flights<K, V: Clone> {
    board: Board<K, V>,
    tasks: TaskTracker,
}

impl<K, V> Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The process waits for what is in `tasks` before it ends.
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        Self { board: Board::default(), tasks }
    }

    /// The answer to `key`: that which is on its way, or that of `work`, which begins now.
    pub(crate) async fn join(&self, key: &K, work: impl Future<Output = V> + Send + 'static) -> Option<V> {
        let flight = {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(flight) = board.get(key) {
                flight.clone()
            } else {
                let landing = Landing { board: Arc::clone(&self.board), key: key.clone() };
                let task = self.tasks.spawn(async move {
                    // dropped also when the work panics: nobody joins what does not arrive
                    let _landing = landing;
                    work.await
                });
                let flight = async move { task.await.ok() }.boxed().shared();
                board.insert(key.clone(), flight.clone());
                flight
            }
        };
        flight.await
    }
}

struct Landing<K: Eq + Hash, V: Clone> {
    board: Board<K, V>,
    key: K,
}

impl<K: Eq + Hash, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_answer_and_who_asks_later_gets_another() {
        let flights: Arc<Flights<&str, u32>> = Arc::new(Flights::new(TaskTracker::new()));
        let begun = Arc::new(AtomicU32::new(0));
        let (open, gate) = tokio::sync::watch::channel(false);
        let ask = |key: &'static str| {
            let (flights, begun, mut gate) = (Arc::clone(&flights), Arc::clone(&begun), gate.clone());
            tokio::spawn(async move {
                let work = async move {
                    let number = begun.fetch_add(1, Ordering::SeqCst);
                    gate.wait_for(|open| *open).await.unwrap();
                    number
                };
                flights.join(&key, work).await
            })
        };
        let first = ask("a");
        let hung_up = ask("a");
        let others: Vec<_> = (0..10).map(|_| ask("a")).collect();
        let stranger = ask("b");
        while begun.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        hung_up.abort();
        open.send_replace(true);
        let answer = first.await.unwrap();
        for other in others {
            assert_eq!(other.await.unwrap(), answer);
        }
        assert_ne!(stranger.await.unwrap(), answer, "never across keys");
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        assert_eq!(ask("a").await.unwrap(), Some(2));
    }

    #[tokio::test]
    async fn work_that_panics_is_no_answer_and_blocks_nobody() {
        let flights: Flights<&str, u32> = Flights::new(TaskTracker::new());
        assert_eq!(flights.join(&"a", async { panic!("lost") }).await, None);
        assert_eq!(flights.join(&"a", async { 7 }).await, Some(7));
    }
}
