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
    subscriptions: Vec<Subscription>,
}

impl View {
    pub(super) fn newest(state: &State, rows: usize) -> Self {
        Self {
            now_s: state.clock.now_s(),
            mails: state.mails.iter().rev().take(rows).cloned().collect(),
            mails_total: state.mails.len() as u64 + state.mails.let_go(),
            customers: state.customers.values().rev().take(rows).cloned().collect(),
            subscriptions: state.subscriptions.values().rev().take(rows).cloned().collect(),
        }
    }
}

/// The list. A layout whose script renews regions marked `data-live` keeps it fresh; without, it is a page.
pub(super) fn index(view: &View) -> Markup {
    html! {
        link rel="stylesheet" href="/outbox/style.css";
        div #outbox data-live {
            h1 { "Outbox" }
            p class="outbox-note" { "What the workflows sent to the local emulators. Nothing left this machine." }
            section {
                h2 { "Mails (" (view.mails_total) ")" }
                @if view.mails.is_empty() { p { "No mail yet." } } @else { (mails(&view.mails)) }
            }
            section {
                h2 { "Stripe customers" }
                @if view.customers.is_empty() { p { "No customer yet." } } @else { (customers(&view.customers)) }
            }
            section {
                h2 { "Stripe subscriptions" }
                @if view.subscriptions.is_empty() { p { "No subscription yet." } }
                @else { (subscriptions(&view.subscriptions, view.now_s)) }
            }
        }
    }
}

fn mails(mails: &[Mail]) -> Markup {
    html! {
        table class="outbox-table" {
            thead { tr { th { "Sent" } th { "To" } th { "Subject" } th { "From" } } }
            tbody {
                @for mail in mails {
                    tr {
                        td { (time(mail.at_ms)) }
                        td { (mail.draft.to.join(", ")) }
                        td { a href={ "/outbox/mails/" (mail.id) } { (mail.draft.subject) } }
                        td { (mail.draft.from) }
                    }
                }
            }
        }
    }
}

fn customers(customers: &[Customer]) -> Markup {
    html! {
        table class="outbox-table" {
            thead { tr { th { "Created" } th { "Id" } th { "Email" } th { "Name" } th { "Metadata" } } }
            tbody {
                @for customer in customers {
                    tr {
                        td { (time(customer.created * 1000)) }
                        td { code { (customer.id) } }
                        td { (customer.email.as_deref().unwrap_or("–")) }
                        td { (customer.name.as_deref().unwrap_or("–")) }
                        td { (pairs(customer.metadata.iter())) }
                    }
                }
            }
        }
    }
}

fn subscriptions(subscriptions: &[Subscription], now_s: u64) -> Markup {
    html! {
        table class="outbox-table" {
            thead { tr { th { "Created" } th { "Id" } th { "Customer" } th { "Status" } th { "Trial ends" } th { "Then" } th { "Prices" } th { "Metadata" } } }
            tbody {
                @for subscription in subscriptions {
                    tr {
                        td { (time(subscription.created * 1000)) }
                        td { code { (subscription.id) } }
                        td { code { (subscription.customer) } }
                        td { (subscription.status(now_s)) }
                        td { @if let Some(end) = subscription.trial_end { (time(end * 1000)) } @else { "–" } }
                        td { (subscription.missing_payment_method) }
                        td { @for item in &subscription.items { code { (item.price) } " × " (item.quantity) " " } }
                        td { (pairs(subscription.metadata.iter())) }
                    }
                }
            }
        }
    }
}

/// One mail: headers, the HTML as it would look, the text alternative, the HTML's source.
pub(super) fn mail(mail: &Mail) -> Markup {
    let draft = &mail.draft;
    html! {
        link rel="stylesheet" href="/outbox/style.css";
        p { a href="/outbox" { "Outbox" } }
        h1 { (draft.subject) }
        (mail_headers(mail))
        @if let Some(source) = &draft.html {
            h2 { "As it would look" }
            // An empty sandbox: no scripts, no forms, no popups, an origin of its own.
            iframe class="outbox-mail" title="The mail's HTML" sandbox="" srcdoc=(source) {}
        }
        @if let Some(text) = &draft.text {
            h2 { "Text alternative" }
            pre class="outbox-text" { (text) }
        } @else {
            p class="outbox-note" { "This mail has no text alternative." }
        }
        @if let Some(source) = &draft.html {
            details { summary { "HTML source" } pre class="outbox-text" { (source) } }
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
        dl class="outbox-headers" {
            dt { "From" } dd { (draft.from) }
            @for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
                dt { (name) } dd { (list.join(", ")) }
            }
            dt { "Sent" } dd { (time(mail.at_ms)) }
            @if let Some(at) = &draft.scheduled_at { dt { "Scheduled for" } dd { (at) } }
            @if !draft.headers.is_empty() { dt { "Headers" } dd { (pairs(draft.headers.iter())) } }
            @if !draft.tags.is_empty() { dt { "Tags" } dd { (pairs(draft.tags.iter().map(|t| (&t.name, &t.value)))) } }
            @if let Some(key) = &mail.idempotency_key { dt { "Idempotency-Key" } dd { code { (key) } } }
            dt { "Id" } dd { code { (mail.id) } }
        }
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Markup {
    html! { @for (name, value) in pairs { code class="outbox-pair" { (name) "=" (value) } " " } }
}

fn time(ms: u64) -> Markup {
    let text = rfc3339(ms);
    html! { time datetime=(text) { (text) } }
}
