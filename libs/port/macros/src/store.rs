//! `#[points]`: the methods of a store.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ImplItem, ImplItemFn, ItemImpl, Visibility};

use crate::arguments::Arguments;
use crate::method;

pub(crate) fn expand(arguments: &Arguments, mut item: ItemImpl) -> syn::Result<TokenStream> {
    let (Some(service), Some(list)) = (&arguments.service, &arguments.list) else {
        return Err(syn::Error::new_spanned(&item.self_ty, "a store's points need `service` and `list`"));
    };
    if item.trait_.is_some() {
        return Err(syn::Error::new_spanned(
            &item.self_ty,
            "for a trait's methods mark the trait with `port`",
        ));
    }
    let mut points = Vec::new();
    let mut members = Vec::new();
    for member in std::mem::take(&mut item.items) {
        let ImplItem::Fn(mut function) = member else {
            members.push(member);
            continue;
        };
        let is_read = method::take_read(&mut function.attrs);
        let is_call = function.sig.asyncness.is_some() && function.sig.receiver().is_some();
        if is_read || !is_call {
            members.push(ImplItem::Fn(function));
            continue;
        }
        points.push(function.sig.ident.clone());
        members.extend(split(service, arguments, function)?);
    }
    item.items = members;
    let (own, generics) = (&item.self_ty, &item.generics);
    let (constant, _, clause) = generics.split_for_impl();
    let points = method::list(Some(service), &arguments.name, &points);
    Ok(quote! {
        #item

        impl #constant #own #clause {
            /// The points of these methods.
            pub(crate) const #list: ::mint_port::Points = #points;
        }
    })
}

/// The method with its points, and what it does.
fn split(service: &str, arguments: &Arguments, mut function: ImplItemFn) -> syn::Result<[ImplItem; 2]> {
    let name = function.sig.ident.clone();
    let passed = method::arguments(&function.sig)?;
    let inner = format_ident!("{}_between_points", name);
    let mut done = function.clone();
    done.sig.ident = inner.clone();
    done.vis = Visibility::Inherited;
    done.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
    let call = quote!(self.#inner(#(#passed),*));
    let body = method::between_points(&quote!(#service), &arguments.name, &name, &passed, &call);
    function.block = syn::parse2(quote!({ #body }))?;
    Ok([ImplItem::Fn(function), ImplItem::Fn(done)])
}
