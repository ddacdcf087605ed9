//! The command line: verbs, flags and their help. What the verbs do is in `commands`.

mod plugins;
mod privacy;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::value::RawValue;

pub(crate) use privacy::{Privacy, PrivacyErase, PrivacyExport, PrivacyKeys, PrivacyKeysExport, PrivacyKeysImport};
use stepwell_access::Scope;
use stepwell_core::log::Level;

pub(crate) use plugins::{PluginLoad, PluginNamed, PluginUnload, Plugins, Sign};

/// Durable workflows as WebAssembly: one host turns webhooks into runs that survive anything.
#[derive(Debug, Parser)]
#[command(name = "stepwell", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 run failed (with --wait), 5 host unreachable."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build the workflows of a folder, run them on a local host, rebuild on change
    Dev(Dev),
    /// Run the host
    Serve(Serve),
    /// Build the workflows of a folder to components
    Build(Build),
    /// Say what a component declares, imports and asks for, whether this host takes it, and whether a run would go on
    /// with it
    Check(Check),
    /// Send and look at events
    #[command(subcommand)]
    Events(Events),
    /// Look at runs and act on them
    #[command(subcommand)]
    Runs(Runs),
    /// Look at the loaded plugins, take one out of service, sign components
    #[command(subcommand)]
    Plugins(Plugins),
    /// Try the webhook intake
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Check, back up, restore and shrink what a host keeps
    #[command(subcommand)]
    Store(StoreVerb),
    /// Make, list and revoke the tokens that let people and programs in
    #[command(subcommand)]
    Tokens(TokensVerb),
    /// See who did what
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Give out or erase what is kept about a person
    #[command(subcommand)]
    Privacy(Privacy),
    /// Replace secrets while the host runs
    #[command(subcommand)]
    Secrets(Secrets),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Run the emulators of Resend and Stripe as a process of their own
    Emulators(Emulators),
    /// Compile one component to order: the host starts this itself
    #[command(hide = true)]
    CompileWorker,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Have the running host read its secrets again; a new value that is none leaves the old one in force
    Reload(Remote),
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "it must be an IP address and a port, such as 127.0.0.1:8400")
}

#[derive(Debug, Args)]
pub(crate) struct HostFlags {
    /// Configuration file [default: ./stepwell.toml if it is there]
    #[arg(long, value_name = "FILE", env = "STEPWELL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where webhooks come in [default: 127.0.0.1:8400]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where API and dashboard are served [default: 127.0.0.1:8401]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Where everything is kept [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The folder that components are loaded from [default: ./plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) host: HostFlags,
    /// For tests: a Unix socket through which the host's timers can be moved ahead (`advance-ms N`)
    #[arg(long, value_name = "SOCKET", hide = true)]
    pub(crate) test_clock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The folder with the workflows' sources
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) host: HostFlags,
    /// Use the real Resend and Stripe with the keys of the environment
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder with the workflows' sources
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where the components are put
    #[arg(long, value_name = "DIR", default_value = "./plugins")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct Check {
    /// The component
    pub(crate) file: PathBuf,
    /// Replay this run of a host on it: the run's id, or enough of its beginning
    #[arg(long, value_name = "RUN")]
    pub(crate) against: Option<String>,
    /// Configuration file with the trusted keys and pins [default: ./stepwell.toml if it is there]
    #[arg(long, value_name = "FILE", env = "STEPWELL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A public key to verify the signature (FILE.sig) with, beside the trusted ones
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

const CHECK_HELP: &str = "\
With --against the run's journal, seed and event are fetched from the host, and the component is run here with them, \
from the top. Recorded calls are answered as they were; where it comes to a call without an answer it is stopped: no \
step is executed, no request is sent, and the run stays as it is. It tells how far both are the same, or the first \
difference with both sides.

Exit codes: 0 it is the same as far as there is a record, 1 it is not, or the file is refused, 3 no such run, \
5 host unreachable.";

#[derive(Clone, Debug, Args)]
pub(crate) struct Output {
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON value
    Json,
    /// One JSON value a line
    Jsonl,
}

/// Where a host's API is unless it was configured otherwise.
pub(crate) const URL_DEFAULT: &str = "http://127.0.0.1:8401";

/// An address to talk HTTP to, without a slash at its end.
fn url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(|_| text.trim_end_matches('/').to_owned()).ok_or_else(|| format!("it must be such as {URL_DEFAULT}"))
}

#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The host's API
    #[arg(long, value_name = "URL", env = "STEPWELL_URL", default_value = URL_DEFAULT, value_parser = url)]
    pub(crate) url: String,
    /// The bearer token, where the host demands one
    #[arg(long, value_name = "TOKEN", env = "STEPWELL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The id, or enough of its beginning
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Rows at most, up to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Where the page before ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

impl ListFlags {
    /// The page as the API is asked for it.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let cursor = self.cursor.iter().map(|cursor| ("cursor", cursor.clone()));
        std::iter::once(("limit", self.limit.to_string())).chain(cursor).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Send an event; every workflow with a matching trigger starts a run
    Send(EventsSend),
    /// The newest events
    List(EventsList),
    /// One event and the runs that it started
    Get(Id),
}

/// JSON as it stands: a number keeps its digits.
fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

#[derive(Debug, Args)]
pub(crate) struct EventsSend {
    /// The event's name, such as clerk/user.created; a sample's own if left out
    #[arg(required_unless_present = "sample")]
    pub(crate) name: Option<String>,
    /// Its data as JSON
    #[arg(long, short, value_name = "JSON", conflicts_with_all = ["file", "sample"], value_parser = json)]
    pub(crate) data: Option<Box<RawValue>>,
    /// A file with its data as JSON; - for standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "sample")]
    pub(crate) file: Option<PathBuf>,
    /// Sample data: of this event's name, or of the one given
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(crate) sample: Option<String>,
    /// Your own id: sent again, it starts nothing
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Whom it is about, such as Clerk's id of the user: kept encrypted for that person. A sample's own unless told
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// Wait until the runs have ended or are parked
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct EventsList {
    /// Only events of this name
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// The newest runs
    List(RunsList),
    /// One run with its steps
    Get(Id),
    /// What a run has logged
    Logs(RunsLogs),
    /// End a run now
    Cancel(Id),
    /// End a run's sleep, or its pause before the next attempt, now
    WakeNow(Id),
    /// Let a paused run go on
    Resume(Id),
}

#[derive(Debug, Args)]
pub(crate) struct RunsList {
    /// Only runs of these statuses
    #[arg(long, value_delimiter = ',')]
    pub(crate) status: Vec<String>,
    /// Only runs of this workflow
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only runs of this event
    #[arg(long)]
    pub(crate) event: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListFlags,
}

#[derive(Debug, Args)]
pub(crate) struct RunsLogs {
    #[command(flatten)]
    pub(crate) run: Id,
    /// Only lines of this level and of those above it: trace, debug, info, warn, error
    #[arg(long)]
    pub(crate) level: Option<Level>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// Send a signed sample webhook, as Clerk would
    Test(WebhooksTest),
    /// The latest refused webhooks with the true cause
    Rejected(Remote),
}

#[derive(Debug, Args)]
pub(crate) struct WebhooksTest {
    /// Where the host takes the source's webhooks in
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8400/webhooks/clerk", value_parser = url)]
    pub(crate) url: String,
    /// The signing secret
    #[arg(long, env = "CLERK_WEBHOOK_SIGNING_SECRET", hide_env_values = true)]
    pub(crate) secret: String,
    /// What is sent: a sample's name
    #[arg(long = "type", value_name = "TYPE", default_value = "user.created")]
    pub(crate) kind: String,
    /// The delivery's id; sent again, it is a duplicate [default: a new one]
    #[arg(long)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Check every row, index, snapshot and component of a stopped host
    Verify(StoreFlags),
    /// Write all that is kept into one file, of a running host too
    Backup(StoreBackup),
    /// Make a new data directory of a backup
    Restore(StoreRestore),
    /// Write the database of a stopped host anew, which gives space back
    Compact(StoreCompact),
}

#[derive(Debug, Args)]
pub(crate) struct StoreFlags {
    /// Configuration file [default: ./stepwell.toml if it is there]
    #[arg(long, value_name = "FILE", env = "STEPWELL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where the host keeps everything [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct StoreBackup {
    /// Where it is written
    pub(crate) file: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// The API of a running host [default: of the one that has the data directory]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) url: Option<String>,
    /// The bearer token, where the host demands one
    #[arg(long, value_name = "TOKEN", env = "STEPWELL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

#[derive(Debug, Args)]
pub(crate) struct StoreRestore {
    /// The backup
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

#[derive(Debug, Args)]
pub(crate) struct StoreCompact {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensVerb {
    /// Make a token and print it, this once
    Create(TokensCreate),
    /// All tokens by name: scope, age and use, never the tokens themselves
    List(AccessFlags),
    /// End a token: from now on it is refused
    Revoke(TokensRevoke),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// The newest records of what was done, and of what was refused
    List(AuditList),
}

/// Of a running host, through its API; with --data-dir or --config of a stopped one.
#[derive(Debug, Args)]
pub(crate) struct AccessFlags {
    /// Of a stopped host: its configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Of a stopped host: where it keeps everything
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct TokensCreate {
    /// What people did is told under this name
    #[arg(long)]
    pub(crate) name: String,
    /// read: look. operate: besides, send events, act on runs, see what is masked. admin: everything
    #[arg(long, value_name = "read|operate|admin", value_parser = str::parse::<Scope>)]
    pub(crate) scope: Scope,
    /// How long it is valid, such as 30d [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = stepwell_core::duration::parse)]
    pub(crate) expires: Option<Duration>,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

#[derive(Debug, Args)]
pub(crate) struct TokensRevoke {
    /// The token's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Rows at most, up to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Where the page before ended
    #[arg(long)]
    pub(crate) cursor: Option<u64>,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Every value in force and where it comes from
    Show(ConfigShow),
    /// Read and check the configuration
    Validate(HostFlags),
    /// The default file, which is the documentation
    Default,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigShow {
    #[command(flatten)]
    pub(crate) host: HostFlags,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Emulators {
    /// Where they listen; Resend is below /resend, Stripe below /stripe
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8402", value_parser = address)]
    pub(crate) listen: SocketAddr,
}
