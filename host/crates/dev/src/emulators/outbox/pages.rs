//! The markup of the outbox. Must not read state: it shows what it is given.

use maud::{Markup, html};

use crate::emulators::resend::Mail;
use crate::emulators::state::State;
use crate::emulators::stripe::{Customer, Subscription};
use crate::emulators::time::rfc3339;

/// What the index shows: the newest of everything, newest first.
pub(super) struct View {
    now_s: u64,
    mails: Vec<Mail>,
    mails_total: u64,
    customers: Vec<Customer>,
    customers_total: usize,
    subscriptions: Vec<Subscription>,
    subscriptions_total: usize,
}

impl View {
    pub(super) fn newest(state: &State, rows: usize) -> Self {
        Self {
            now_s: state.clock.now_s(),
            mails: state.mails.iter().rev().take(rows).cloned().collect(),
            mails_total: state.mails.len() as u64 + state.mails.let_go(),
            customers: state.customers.values().rev().take(rows).cloned().collect(),
            customers_total: state.customers.len(),
            subscriptions: state.subscriptions.values().rev().take(rows).cloned().collect(),
            subscriptions_total: state.subscriptions.len(),
        }
    }
}

/// The list. A layout whose script renews regions marked `data-live` keeps it fresh; without, it is a page.
pub(super) fn index(view: &View) -> Markup {
    html! {
        link rel="stylesheet" href="/outbox/style.css";
        div class="head" { h1 { "Outbox" } }
        p class="lead" { "What the workflows sent to the local emulators. Nothing left this machine." }
        div #outbox data-live {
            section {
                h2 { "Mails" span class="count" { (view.mails_total) } }
                @if view.mails.is_empty() { p class="muted" { "No mail yet." } } @else { (mails(&view.mails)) }
            }
            section {
                h2 { "Stripe customers" span class="count" { (view.customers_total) } }
                @if view.customers.is_empty() { p class="muted" { "No customer yet." } } @else { (customers(&view.customers)) }
            }
            section {
                h2 { "Stripe subscriptions" span class="count" { (view.subscriptions_total) } }
                @if view.subscriptions.is_empty() { p class="muted" { "No subscription yet." } }
                @else { (subscriptions(&view.subscriptions, view.now_s)) }
            }
        }
    }
}

/// A table that scrolls by itself where the page is narrow.
fn table(headings: &[&str], rows: Markup) -> Markup {
    html! {
        div class="scroll" tabindex="0" {
            table class="list" {
                thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                tbody { (rows) }
            }
        }
    }
}

fn mails(mails: &[Mail]) -> Markup {
    let rows = html! {
        @for mail in mails {
            tr {
                td { a class="row" href={ "/outbox/mails/" (mail.id) } { (mail.draft.subject) } }
                td { (mail.draft.to.join(", ")) }
                td { (mail.draft.from) }
                td { (time(mail.at_ms)) }
            }
        }
    };
    table(&["Subject", "To", "From", "Sent"], rows)
}

fn customers(customers: &[Customer]) -> Markup {
    let rows = html! {
        @for customer in customers {
            tr {
                td { code { (customer.id) } }
                td { (customer.email.as_deref().unwrap_or("–")) }
                td { (customer.name.as_deref().unwrap_or("–")) }
                td { (pairs(customer.metadata.iter())) }
                td { (time(customer.created * 1000)) }
            }
        }
    };
    table(&["Customer", "Email", "Name", "Metadata", "Created"], rows)
}

fn subscriptions(subscriptions: &[Subscription], now_s: u64) -> Markup {
    let rows = html! {
        @for subscription in subscriptions {
            tr {
                td { code { (subscription.id) } }
                td { code { (subscription.customer) } }
                td { (subscription.status(now_s)) }
                td { @if let Some(end) = subscription.trial_end { (time(end * 1000)) } @else { "–" } }
                td { (then(&subscription.missing_payment_method)) }
                td { @for item in &subscription.items { code { (item.price) } " × " (item.quantity) " " } }
                td { (pairs(subscription.metadata.iter())) }
                td { (time(subscription.created * 1000)) }
            }
        }
    };
    let headings =
        ["Subscription", "Customer", "Status", "Trial ends", "If nobody pays", "Prices", "Metadata", "Created"];
    table(&headings, rows)
}

/// What comes of it at the trial's end.
fn then(missing_payment_method: &str) -> &str {
    match missing_payment_method {
        "create_invoice" => "invoice",
        other => other,
    }
}

/// One mail: headers, the HTML as it would look, the text alternative, the HTML's source.
pub(super) fn mail(mail: &Mail) -> Markup {
    let draft = &mail.draft;
    html! {
        link rel="stylesheet" href="/outbox/style.css";
        nav class="crumbs" aria-label="Breadcrumb" { a href="/outbox" { "Outbox" } span aria-hidden="true" { "/" } code { (mail.id) } }
        div class="head" { h1 { (draft.subject) } }
        (mail_headers(mail))
        @if let Some(source) = &draft.html {
            section {
                h2 { "As it would look" }
                // An empty sandbox: no scripts, no forms, no popups, an origin of its own.
                iframe class="outbox-mail" title="The mail's HTML" sandbox="" srcdoc=(source) {}
                details { summary { "HTML source" } pre class="json outbox-text" tabindex="0" { (source) } }
            }
        }
        section {
            h2 { "Text alternative" }
            @if let Some(text) = &draft.text { pre class="json outbox-text" tabindex="0" { (text) } }
            @else { p class="muted" { "This mail has no text alternative." } }
        }
    }
}

fn mail_headers(mail: &Mail) -> Markup {
    let draft = &mail.draft;
    let lists = [
        ("To", &draft.to),
        ("Cc", &draft.cc),
        ("Bcc", &draft.bcc),
        ("Reply-To", &draft.reply_to),
        ("Attachments", &draft.attachments),
    ];
    html! {
        dl class="facts" {
            div { dt { "From" } dd { (draft.from) } }
            @for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
                div { dt { (name) } dd { (list.join(", ")) } }
            }
            div { dt { "Sent" } dd { (time(mail.at_ms)) } }
            @if let Some(at) = &draft.scheduled_at { div { dt { "Scheduled for" } dd { (at) } } }
            @if !draft.headers.is_empty() { div { dt { "Headers" } dd { (pairs(draft.headers.iter())) } } }
            @if !draft.tags.is_empty() { div { dt { "Tags" } dd { (pairs(draft.tags.iter().map(|t| (&t.name, &t.value)))) } } }
            @if let Some(key) = &mail.idempotency_key { div { dt { "Idempotency-Key" } dd { code { (key) } } } }
        }
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Markup {
    html! { @for (name, value) in pairs { code { (name) "=" (value) } " " } }
}

fn time(ms: u64) -> Markup {
    let text = rfc3339(ms);
    let shown = text.get(..19).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) title=(text) { (shown) } }
}
