//! `stepwell tokens`: who may do what. Of a running host through its API, of a stopped one in its data directory.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use stepwell_access::{Audit, Outcome, Record, Token, TokenName, Tokens, TokensError};
use stepwell_core::{Timestamp, duration};
use stepwell_engine::Clock;
use stepwell_store_sled::offline::{Alone, hold};

use crate::cli::{AccessFlags, HostFlags, Remote, TokensCreate, TokensRevoke, TokensVerb};
use crate::client::Client;
use crate::clock::{SystemClock, fill};
use crate::commands::Failure;
use crate::commands::config::layers;
use crate::commands::store::failure;
use crate::config;
use crate::print::{Column, list, one, say};

const COLUMNS: &[Column] = &[
    ("NAME", "/name"),
    ("SCOPE", "/scope"),
    ("STATUS", "/status"),
    ("MADE", "/created_at"),
    ("EXPIRES", "/expires_at"),
    ("LAST USED", "/last_used_at"),
];
const PATH: &str = "/api/v1/tokens";

pub(crate) async fn run(verb: TokensVerb) -> Result<(), Failure> {
    match verb {
        TokensVerb::Create(create) => made(&create).await,
        TokensVerb::List(flags) => listed(&flags).await,
        TokensVerb::Revoke(revoke) => revoked(&revoke).await,
    }
}

/// The data directory of a stopped host, held so that none starts.
pub(crate) struct Offline {
    pub(crate) dir: PathBuf,
    _alone: Alone,
}

impl Offline {
    /// Where the flags name a stopped host.
    pub(crate) fn of(flags: &AccessFlags) -> Result<Option<Self>, Failure> {
        if flags.data_dir.is_none() && flags.config.is_none() {
            return Ok(None);
        }
        let config = flags.config.clone();
        let host =
            HostFlags { config, listen: None, admin_listen: None, data_dir: flags.data_dir.clone(), plugins: None };
        let dir = config::load(&layers(&host), std::env::vars())?.config.host.data_dir;
        let alone = hold(&dir)
            .map_err(|error| failure(error, &dir, "leave --data-dir and --config out, and its API is asked"))?;
        Ok(Some(Self { dir, _alone: alone }))
    }

    fn tokens(&self) -> Result<Tokens, Failure> {
        Ok(Tokens::open(&self.dir, fill).map_err(anyhow::Error::from)?)
    }

    /// Writes down what was done to a stopped host.
    fn note(&self, what: &str, object: &str) -> Result<(), Failure> {
        note(&self.dir, what, object)
    }
}

/// Writes down what was done to the data directory of a stopped host, and by whom as far as the machine knows.
pub(crate) fn note(dir: &std::path::Path, what: &str, object: &str) -> Result<(), Failure> {
    let audit = Audit::open(dir).context("the audit log cannot be opened")?;
    let by = format!("user {}", rustix::process::getuid().as_raw());
    let mut record = Record::new(SystemClock.now(), "offline", what).on(Some(object)).from(Some(by));
    record.outcome = Outcome::Done;
    Ok(audit.record(record).context("the audit log cannot be written")?)
}

fn client(remote: &Remote) -> Result<Client, Failure> {
    Client::new(remote)
}

async fn made(flags: &TokensCreate) -> Result<(), Failure> {
    let format = flags.access.remote.output.output;
    let name: TokenName = flags.name.parse().map_err(|error: String| Failure::Usage(anyhow!("--name: {error}")))?;
    let told = match Offline::of(&flags.access)? {
        Some(offline) => {
            let now = SystemClock.now();
            let made = offline.tokens()?.create(name, flags.scope, flags.expires, now).map_err(refused)?;
            offline.note("stepwell tokens create", &format!("{} ({})", made.token.name, made.token.scope))?;
            let mut told = shown(&made.token, now);
            if let Some(object) = told.as_object_mut() {
                object.insert("token".to_owned(), made.secret.into());
            }
            told.into()
        }
        None => {
            let expires = flags.expires.map(duration::format);
            let body = json!({ "name": name.as_str(), "scope": flags.scope.as_str(), "expires": expires });
            client(&flags.access.remote)?.post(PATH, Some(&body)).await?
        }
    };
    say(&format!("{} has the scope {}. Its token is shown this once:", flags.name, flags.scope));
    let token = |told: &Value| told.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(one(&told, format, token)?)
}

async fn listed(flags: &AccessFlags) -> Result<(), Failure> {
    let format = flags.remote.output.output;
    let page = match Offline::of(flags)? {
        Some(offline) => {
            let now = SystemClock.now();
            let tokens: Vec<Value> = offline.tokens()?.list().iter().map(|token| shown(token, now)).collect();
            json!({ "items": tokens, "next_cursor": null }).into()
        }
        None => client(&flags.remote)?.get(PATH, &[("limit", "200".to_owned())]).await?,
    };
    Ok(list(&page, COLUMNS, format)?)
}

async fn revoked(flags: &TokensRevoke) -> Result<(), Failure> {
    let told = match Offline::of(&flags.access)? {
        Some(offline) => {
            let token = offline.tokens()?.revoke(&flags.name).map_err(refused)?;
            offline.note("stepwell tokens revoke", &flags.name)?;
            shown(&token, SystemClock.now()).into()
        }
        None => {
            let name: TokenName = flags.name.parse().map_err(|error: String| Failure::Usage(anyhow!("{error}")))?;
            client(&flags.access.remote)?.delete(&format!("{PATH}/{name}")).await?
        }
    };
    let text = |told: &Value| {
        let name = told.get("name").and_then(Value::as_str).unwrap_or_default();
        format!("{name} is revoked, and refused from now on")
    };
    Ok(one(&told, flags.access.remote.output.output, text)?)
}

fn refused(error: TokensError) -> Failure {
    match error {
        TokensError::NotThere(_) => Failure::NotFound(error.into()),
        TokensError::Lifetime => Failure::Usage(error.into()),
        TokensError::Taken(_) | TokensError::TooMany | TokensError::Damaged { .. } | TokensError::File(_) => {
            Failure::Other(error.into())
        }
    }
}

/// A token as the API tells it.
fn shown(token: &Token, now: Timestamp) -> Value {
    let at = |at: Option<Timestamp>| at.filter(|at| *at > Timestamp::ZERO).map(|at| at.to_string());
    json!({
        "name": token.name.as_str(),
        "scope": token.scope.as_str(),
        "status": if token.has_expired(now) { "expired" } else { "active" },
        "created_at": at(Some(token.made_at)),
        "expires_at": at(token.expires_at),
        "last_used_at": at(token.last_used_at),
    })
}
