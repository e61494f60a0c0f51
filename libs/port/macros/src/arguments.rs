//! `service = "…", name = "…", list = NAME`.

use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};

/// What stands between the attribute's parentheses.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The service; none for a port that several hold.
    pub(crate) service: Option<String>,
    /// The port's name in its points.
    pub(crate) name: String,
    /// The constant with the list.
    pub(crate) list: Option<Ident>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut service, mut name, mut list) = (None, None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "service" => service = Some(input.parse::<LitStr>()?.value()),
                "name" => name = Some(input.parse::<LitStr>()?.value()),
                "list" => list = Some(input.parse::<Ident>()?),
                _ => return Err(syn::Error::new(key.span(), "expected `service`, `name` or `list`")),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let name = name.ok_or_else(|| input.error("`name` is missing"))?;
        Ok(Self { service, name, list })
    }
}
