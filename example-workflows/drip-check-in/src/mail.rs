//! The check-in mail, as HTML (escaped by the template) and as plain text.

use askama::Template;
use stepwell_sdk::Result;
use stepwell_sdk::resend::Mail;

/// Resend's own domain for trying out: it delivers to the account's owner alone.
pub(crate) const FROM_DEFAULT: &str = "Stepwell <onboarding@resend.dev>";

#[derive(Template)]
#[template(path = "check-in.html")]
struct Html<'a> {
    name: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "check-in.txt")]
struct Text<'a> {
    name: Option<&'a str>,
}

/// The mail to `address`; `name` may be unknown.
pub(crate) fn check_in(from: &str, address: &str, name: Option<&str>) -> Result<Mail> {
    Ok(Mail {
        from: from.to_owned(),
        to: vec![address.to_owned()],
        subject: "How is it going?".to_owned(),
        html: Some(Html { name }.render()?),
        text: Some(Text { name }.render()?),
        ..Mail::default()
    })
}
