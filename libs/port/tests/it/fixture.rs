//! A small market.

use std::sync::atomic::{AtomicU32, Ordering};

use mint_port::{async_trait, points, port};

/// A port with every shape of method.
#[port(service = "market", name = "shop")]
#[async_trait]
pub(crate) trait Shop: std::fmt::Debug + Send + Sync {
    async fn buy(&self, what: &str, haggle: &(dyn Fn(u32) -> u32 + Send + Sync)) -> Result<u32, String>;
    async fn look(&self, what: &str) -> bool;
    #[read]
    async fn price(&self, what: &str) -> u32;
    fn name(&self) -> &'static str;
}

#[derive(Debug, Default)]
pub(crate) struct Corner;

#[async_trait]
impl Shop for Corner {
    async fn buy(&self, _: &str, haggle: &(dyn Fn(u32) -> u32 + Send + Sync)) -> Result<u32, String> {
        Ok(haggle(7))
    }

    async fn look(&self, _: &str) -> bool {
        true
    }

    async fn price(&self, _: &str) -> u32 {
        7
    }

    fn name(&self) -> &'static str {
        "corner"
    }
}

#[derive(Debug, Default)]
pub(crate) struct Purse {
    spent: AtomicU32,
}

#[points(service = "market", name = "purse", list = POINTS)]
impl Purse {
    pub(crate) async fn pay(&self, whom: &str, amount: u32) -> u32 {
        tokio::task::yield_now().await;
        assert!(!whom.is_empty());
        self.spent.fetch_add(amount, Ordering::Relaxed) + amount
    }

    #[read]
    #[cfg_attr(not(feature = "fault-points"), expect(dead_code, reason = "read where points act"))]
    pub(crate) async fn spent(&self) -> u32 {
        tokio::task::yield_now().await;
        self.spent.load(Ordering::Relaxed)
    }
}
