//! A method and what stands around its call.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, FnArg, Ident, Pat, Signature};

/// Takes `#[read]` off; whether it was there.
pub(crate) fn take_read(attributes: &mut Vec<Attribute>) -> bool {
    let before = attributes.len();
    attributes.retain(|attribute| !attribute.path().is_ident("read"));
    attributes.len() != before
}

/// The names of the arguments behind `&self`.
pub(crate) fn arguments(signature: &Signature) -> syn::Result<Vec<Ident>> {
    let named = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    named
        .map(|typed| match typed.pat.as_ref() {
            Pat::Ident(name) => Ok(name.ident.clone()),
            other => Err(syn::Error::new_spanned(other, "a point needs arguments with names")),
        })
        .collect()
}

/// A call between its two points.
pub(crate) fn between_points(
    service: &TokenStream,
    port: &str,
    method: &Ident,
    arguments: &[Ident],
    inner: &TokenStream,
) -> TokenStream {
    let name = method.to_string();
    let call = Ident::new("call_with_points", Span::mixed_site());
    let answer = Ident::new("answer_with_points", Span::mixed_site());
    let said = arguments.iter().map(|argument| say(&call, argument));
    let answered = say(&call, &answer);
    quote! {
        let mut #call = ::mint_port::Call::of(::mint_port::Site { service: #service, port: #port, method: #name });
        #(#said)*
        #call.before().await;
        let #answer = #inner.await;
        #answered
        #call.after().await;
        #answer
    }
}

fn say(call: &Ident, what: &Ident) -> TokenStream {
    quote! {
        #call.says(|text| {
            #[allow(unused_imports, reason = "a type is either Debug or not")]
            use ::mint_port::said::{Aloud as _, Silent as _};
            (&::mint_port::said::Said(&#what)).say(text);
        });
    }
}

/// The list of points.
pub(crate) fn list(service: Option<&str>, port: &str, methods: &[Ident]) -> TokenStream {
    let service = service.map_or_else(
        || quote!(::core::option::Option::None),
        |service| quote!(::core::option::Option::Some(#service)),
    );
    let methods = methods.iter().map(Ident::to_string);
    quote!(::mint_port::Points { service: #service, port: #port, methods: &[#(#methods),*] })
}
