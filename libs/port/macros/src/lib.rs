//! The two attributes of `mint-port`, which documents them.

mod arguments;
mod method;
mod port;
mod store;

use proc_macro::TokenStream;
use syn::{ItemImpl, ItemTrait, parse_macro_input};

/// On a trait whose methods are calls: `#[port(service = "rotator", name = "issuer")]`, above `#[async_trait]`. Makes
/// `dyn Trait` a `Ported`. Every `async` method is a call with two points unless it is marked `#[read]`.
#[proc_macro_attribute]
pub fn port(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as arguments::Arguments);
    let item = parse_macro_input!(item as ItemTrait);
    port::expand(&arguments, item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// On an inherent impl of a store: `#[points(service = "rotator", name = "ledger", list = CREATE_POINTS)]`. Every
/// `async` method with `&self` has two points unless it is marked `#[read]`; the type gets a constant with their list.
#[proc_macro_attribute]
pub fn points(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as arguments::Arguments);
    let item = parse_macro_input!(item as ItemImpl);
    store::expand(&arguments, item).unwrap_or_else(syn::Error::into_compile_error).into()
}
