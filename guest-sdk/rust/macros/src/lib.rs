//! The attribute `#[workflow]` of stepwell-sdk; use it from there.
//!
//! It checks what it can while compiling and writes the workflow's entry of `describe` as a JSON literal, so that
//! nothing of it costs the component any code.

mod arguments;
mod duration;
mod json;
mod keys;

use proc_macro::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, ItemFn, Lit, Meta, parse_macro_input};

use arguments::Arguments;

/// Declares a workflow: a function of one [`Event`](../stepwell_sdk/struct.Event.html) with a `Result`.
///
/// ```text
/// #[workflow(id = "welcome-email", on = "clerk/user.created", concurrency = 10)]
/// fn welcome_email(event: Event<UserCreated>) -> Result<Sent> { … }
///
/// component!(welcome_email; asks = resend::asks());
/// ```
///
/// The function stays as it is and may be called in tests. Beside it stands a type of the same name, which
/// `component!` takes: once in each component, for one workflow or several. So do not name it as a type or module
/// that is in scope, such as `context` or `step`; and if the compiler calls it unused, `component!` is missing.
///
/// Values are literals; durations are text such as `"30s"`, `"1h30m"`, `"7d"`; expressions over `event` are text.
///
/// | key | value | default |
/// |---|---|---|
/// | `id` | `[a-z0-9-]`, at most 64 characters; unique in the host. Demanded | |
/// | `name`, `description` | text for people | the doc comment's first paragraph describes |
/// | `on` | an event's name, `clerk/user.created` or `clerk/user.*`; or `[…]` of them; or `on("…", if = "event.data.…")`. May be repeated | |
/// | `cron` | `"0 9 * * *"`, or `cron("…", timezone = "Europe/Berlin", jitter = "30s", missed = "skip" \| "run_once" \| "run_all")`. May be repeated | |
/// | `concurrency` | activations at once; or `concurrency(limit = 10, key = "…", group = "…", scope = "activation" \| "run")`. May be repeated | no limit |
/// | `retries` | attempts of a step in all; or `retries(attempts_max = 8, first_delay = "1s", factor = 4, delay_max = "1h", jitter = 0.2)` | as shown |
/// | `throttle`, `rate_limit` | `(limit = 10, period = "1m", key = "…")` | |
/// | `debounce` | `(period = "10s", delay_max = "1m", key = "…")` | |
/// | `batch` | `(size_max = 100, timeout = "5s", key = "…")` | |
/// | `priority` | an expression of a whole number; higher goes first | |
/// | `singleton` | `(mode = "skip" \| "cancel", key = "…")` | |
/// | `idempotency` | `(key = "…", window = "1d")` | |
/// | `cancel_on` | an event's name, or `cancel_on("…", if = "…")`. May be repeated | |
/// | `timeouts` | `(start = "1h", run = "30d", step = "1m")` | |
/// | `on_failure` | the id of the workflow that is started when a run fails | |
/// | `on_exhausted` | `"fail"` or `"pause"` | `"fail"` |
/// | `upgrade` | `"pin"` or `"upgrade"` | `"pin"` |
///
/// At least one of `on` and `cron` is demanded.
#[proc_macro_attribute]
pub fn workflow(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(attribute as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(arguments, &function).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(mut arguments: Arguments, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    check_signature(function)?;
    arguments.describe_by(first_paragraph(&function.attrs));
    let id = arguments.id()?;
    let declaration = arguments.declaration()?;
    let (name, visibility) = (&function.sig.ident, &function.vis);
    let doc = format!("The workflow `{id}`, for `component!`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, missing_debug_implementations)]
        #visibility enum #name {}

        impl ::stepwell_sdk::Workflow for #name {
            const ID: &'static str = #id;
            const DECLARATION: &'static str = #declaration;

            fn run(event: &str) -> ::stepwell_sdk::Result<::std::string::String> {
                ::stepwell_sdk::__private::call(event, #name)
            }
        }
    })
}

fn check_signature(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    let plain = signature.asyncness.is_none() && signature.generics.params.is_empty() && signature.inputs.len() == 1;
    if plain {
        return Ok(());
    }
    Err(syn::Error::new_spanned(
        signature,
        "a workflow is a plain function of one event: fn name(event: Event<T>) -> Result<O>",
    ))
}

/// The first paragraph of a doc comment, in one line.
fn first_paragraph(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes.iter().filter_map(doc_line);
    let paragraph: Vec<_> = lines.map(|line| line.trim().to_owned()).take_while(|line| !line.is_empty()).collect();
    Some(paragraph.join(" ")).filter(|text| !text.is_empty())
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
