//! `#[port]`: the adapter of a trait.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, ItemTrait, TraitItem, TraitItemFn};

use crate::arguments::Arguments;
use crate::method;

pub(crate) fn expand(arguments: &Arguments, mut item: ItemTrait) -> syn::Result<TokenStream> {
    let mut adapted = Vec::new();
    let mut points = Vec::new();
    for member in &mut item.items {
        let TraitItem::Fn(function) = member else {
            return Err(syn::Error::new_spanned(member, "a port has methods and nothing else"));
        };
        let is_read = method::take_read(&mut function.attrs);
        if function.sig.asyncness.is_some() && !is_read {
            points.push(function.sig.ident.clone());
            adapted.push(with_points(arguments, function)?);
        } else {
            adapted.push(passed_on(function)?);
        }
    }
    let name = &item.ident;
    let list = method::list(arguments.service.as_deref(), &arguments.name, &points);
    Ok(quote! {
        #item

        const _: () = {
            /// The port behind its points.
            #[derive(Debug)]
            struct Pointed {
                inner: ::std::sync::Arc<dyn #name>,
                service: &'static str,
            }

            #[::mint_port::async_trait]
            impl #name for Pointed {
                #(#adapted)*
            }

            impl ::mint_port::Ported for dyn #name {
                const POINTS: ::mint_port::Points = #list;

                fn behind_points(
                    inner: ::std::sync::Arc<Self>,
                    service: &'static str,
                ) -> ::std::sync::Arc<Self> {
                    ::std::sync::Arc::new(Pointed { inner, service })
                }
            }
        };
    })
}

fn with_points(arguments: &Arguments, function: &TraitItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    let (name, passed) = (&signature.ident, method::arguments(signature)?);
    let inner = quote!(self.inner.#name(#(#passed),*));
    let body = method::between_points(&quote!(self.service), &arguments.name, name, &passed, &inner);
    Ok(quote!(#signature { #body }))
}

fn passed_on(function: &TraitItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    let (name, passed): (&Ident, _) = (&signature.ident, method::arguments(signature)?);
    let wait = signature.asyncness.map(|_| quote!(.await));
    Ok(quote!(#signature { self.inner.#name(#(#passed),*)#wait }))
}
