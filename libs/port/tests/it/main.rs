//! A port and a store, with their points.

#![allow(missing_docs, clippy::missing_const_for_fn, reason = "a test")]

mod fixture;
#[cfg(feature = "fault-points")]
mod probes;

use fixture::{Purse, Shop};
use mint_port::{Port, Ported as _};

#[test]
fn a_port_lists_every_method_that_is_no_read() {
    let points = <dyn Shop>::POINTS;
    assert_eq!(
        points.names("market"),
        [
            "market.shop.buy.before",
            "market.shop.buy.after",
            "market.shop.look.before",
            "market.shop.look.after"
        ]
    );
}

#[test]
fn a_store_lists_every_method_that_is_no_read() {
    assert_eq!(Purse::POINTS.names("ignored"), ["market.purse.pay.before", "market.purse.pay.after"]);
}

#[tokio::test]
async fn a_port_answers_what_its_adapter_answers() {
    let shop: Port<dyn Shop> = Port::new(std::sync::Arc::new(fixture::Corner));
    assert_eq!(shop.buy("shoe", &|price| price * 2).await, Ok(14));
    assert_eq!((shop.look("shoe").await, shop.price("shoe").await, shop.name()), (true, 7, "corner"));
    assert_eq!(Purse::default().pay("shop", 3).await, 3);
}
