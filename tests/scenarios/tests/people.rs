//! One person everywhere that a host keeps something: in events, step results, addresses that were requested, errors,
//! what workflows say, as the name of the subject itself. Once erased, in no answer and in no file, nor in a backup from before.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Api, Config, Delivery, Emulators, Host, Reader, Request, Seen, command, guest, once, until};
use stepwell_testkit::{files_below, traces_in, traces_in_rows};

/// In everything about the person.
const MARKER: &str = "grace-hopper-marker";
/// In an event about nobody: what is not encrypted is found.
const CONTROL: &str = "about-nobody-marker";
/// Of all that is kept about the person: where what is looked for must have been before.
const PLACES: [&str; 6] = ["data", "requests", "journal", "run", "events", "logs"];

struct World {
    host: Host,
    emulators: Emulators,
    outside: tempfile::TempDir,
}

/// The person's subject.
fn subject() -> String {
    format!("user_{MARKER}")
}

impl World {
    async fn new() -> Result<Self> {
        let outside = tempfile::tempdir()?;
        let emulators = Emulators::start(&outside.path().join("emulators.log")).await?;
        let at = emulators.address();
        let mut config = Config::new();
        config.add(&format!(
            "[grants.fetches]\nhosts = [\"http://{at}\"]\nallow_private = true\nvars = {{ BASE_URL = \"http://{at}\" }}"
        ));
        let mut host = Host::new(config)?;
        for name in ["fetches", "slow_step", "sleeper", "says"] {
            host.home.put_plugin(name, &guest(name)?)?;
        }
        host.start().await?;
        Ok(Self { host, emulators, outside })
    }

    /// A verb of the command line: what it prints and says. Written elsewhere than beside the host.
    async fn command(&self, args: &[&str]) -> Result<String> {
        let url = self.host.api().map_or_else(|_| "http://127.0.0.1:9".to_owned(), |api| format!("http://{}", api.0));
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let told = command(&args, &url, self.outside.path(), Reader::Whole).await?;
        ensure!(told.code == Some(0), "{args:?}: {told:?}");
        Ok(told.stdout + &told.stderr)
    }

    /// The person in everything that there is.
    async fn fill(&self) -> Result<()> {
        let api = self.host.api()?;
        let url = format!("http://{}/resend/{MARKER}", self.emulators.address());
        let told = json!({ "mail": format!("{MARKER}@example.com") });
        send(api, "test/fetches", json!({ "url": url, "told": told }), Some(subject())).await?;
        // What it is not: its error says what came instead.
        send(api, "test/slow-step", json!({ "ms": MARKER, "told": told }), Some(subject())).await?;
        send(api, "test/sleeper", json!({ "ms": 86_400_000, "told": told }), Some(subject())).await?;
        send(api, "test/says", json!({ "text": MARKER, "panics": true }), Some(subject())).await?;
        send(api, "test/sleeper", json!({ "ms": 86_400_000, "told": CONTROL }), None).await?;
        let delivery = Delivery::clerk("user.created", "msg_1", MARKER)?.send(self.host.intake()?).await?;
        ensure!(delivery.status == 202);
        until("all runs to rest", CONDITION_MAX, async || {
            let runs = api.runs("").await?;
            let rest = |run: &&stepwell_harness::Run| run.has_ended() || run.status == "sleeping";
            let moving: Vec<String> = runs.iter().filter(|run| !rest(run)).map(stepwell_harness::Run::told).collect();
            Ok(if moving.is_empty() { Seen::This(()) } else { Seen::NotYet(moving.join("; ")) })
        })
        .await
    }

    /// The kinds of answers in which the marker is, of all that the API and the dashboard have.
    async fn in_answers(&self) -> Result<BTreeSet<String>> {
        let api = self.host.api()?;
        let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
        let paths = ["/api/v1/events", "/api/v1/runs", "/api/v1/plugins", "/api/v1/workflows", "/api/v1/stats"];
        let more = ["/api/v1/audit?limit=200", "/api/v1/webhooks/rejections", "/metrics", "/", "/events", "/plugins"];
        let mut asked: Vec<(&str, String)> =
            paths.into_iter().chain(more).map(|path| ("list", path.to_owned())).collect();
        for event in api.events("").await?.iter().filter_map(id) {
            asked.push(("data", format!("/api/v1/events/{event}?reveal=true")));
            asked.push(("events", format!("/events/{event}?reveal=true")));
        }
        for run in api.runs("").await? {
            for part in ["journal", "requests", "replay", "logs"] {
                asked.push((part, format!("/api/v1/runs/{}/{part}", run.id)));
            }
            asked.push(("run", format!("/api/v1/runs/{}", run.id)));
            asked.push(("page", format!("/runs/{}", run.id)));
        }
        let mut found = BTreeSet::new();
        for (kind, path) in asked {
            let answer = once(api.0, &Request::get(&path)).await?;
            if !traces_in(answer.text().as_bytes(), MARKER).is_empty() {
                found.insert(kind.to_owned());
            }
        }
        Ok(found)
    }
}

async fn send(api: Api, name: &str, data: Value, subject: Option<String>) -> Result<()> {
    let event = json!({ "name": name, "data": data, "subject": subject });
    let answer = once(api.0, &Request::json("POST", "/api/v1/events", &event)).await?;
    ensure!(answer.status == 202, "{name}: {}", answer.text());
    Ok(())
}

/// The files below a directory in which a text stands, as it is or in a row that is packed, and those that it names.
fn on_disk(dir: &Path, text: &str) -> Vec<String> {
    let unpack = |body: &[u8]| stepwell_store_sled::unpack(&[0; 17], body).ok().map(std::borrow::Cow::into_owned);
    let holds = |file: &Path| {
        let bytes = fs::read(file).unwrap_or_default();
        let name = file.to_string_lossy().into_owned();
        let plain = traces_in(&bytes, text).into_iter().chain(traces_in(name.as_bytes(), text));
        plain.chain(traces_in_rows(&bytes, text, unpack)).next().map(|form| format!("{name}: {form}"))
    };
    files_below(dir).iter().filter_map(|file| holds(file)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_that_is_everywhere_is_nowhere_once_erased() -> Result<()> {
    let mut world = World::new().await?;
    world.fill().await?;
    let before = world.in_answers().await?;
    for place in PLACES {
        ensure!(before.contains(place), "the marker never was in {place}, but in {before:?}");
    }
    let backup = world.outside.path().join("before.backup").display().to_string();
    world.command(&["store", "backup", &backup]).await?;
    let home = world.host.home.path().to_owned();
    ensure!(!on_disk(&home, CONTROL).is_empty(), "what is about nobody is not found: neither would be anybody");
    for dir in [&home, world.outside.path()] {
        let found: Vec<String> =
            on_disk(dir, MARKER).into_iter().filter(|file| !file.contains("emulators.log")).collect();
        ensure!(found.is_empty(), "in plain before the erasure: {found:?}");
    }

    let erased = world.command(&["privacy", "erase", "--subject", &subject(), "--yes"]).await?;
    ensure!(erased.contains("erased: 5 events, 4 runs"), "{erased}");
    let found = world.in_answers().await?;
    ensure!(found.is_empty(), "still in {found:?}");
    for verb in [["events", "list"], ["runs", "list"], ["audit", "list"], ["plugins", "list"]] {
        let told = world.command(&verb).await?;
        ensure!(traces_in(told.as_bytes(), MARKER).is_empty(), "{verb:?}: {told}");
    }
    ensure!(world.host.api()?.runs("").await?.len() == 1, "others are whole");
    world.host.stop().await?;
    let found = on_disk(&home, MARKER);
    ensure!(found.is_empty(), "on disk after the erasure: {found:?}");

    // Restored with the keys as they are now, what was backed up before comes back without the person.
    let (data, keys) = (home.join("data").display().to_string(), home.join("the.keys").display().to_string());
    let restored = home.join("restored");
    let to = restored.display().to_string();
    world.command(&["privacy", "keys", "export", &keys, "--data-dir", &data]).await?;
    world.command(&["privacy", "keys", "import", &keys, "--data-dir", &to]).await?;
    world.command(&["store", "restore", &backup, "--data-dir", &to]).await?;
    world.host.data_dir = Some(restored);
    world.host.start().await?;
    let found = world.in_answers().await?;
    ensure!(found.is_empty(), "back in {found:?}");
    ensure!(world.host.api()?.runs("").await?.len() == 1, "others are back");
    world.host.stop().await.context("a stop")?;
    let found = on_disk(&home, MARKER);
    ensure!(found.is_empty(), "on disk after the restore: {found:?}");
    ensure!(!on_disk(&home, CONTROL).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_workflow_says_is_in_the_hosts_log_only_where_it_is_asked_for_by_name() -> Result<()> {
    for (filter, is_there) in [(None, false), (Some("trace"), false), (Some("info,guest=info"), true)] {
        let mut host = Host::new(Config::new())?;
        host.home.put_plugin("says", &guest("says")?)?;
        host.filter = filter;
        host.start().await?;
        let api = host.api()?;
        send(api, "test/says", json!({ "text": CONTROL }), None).await?;
        until("the run to end", CONDITION_MAX, async || {
            let runs = api.runs("").await?;
            let is_over = runs.first().is_some_and(stepwell_harness::Run::has_ended);
            Ok(if is_over { Seen::This(()) } else { Seen::NotYet("it has not".to_owned()) })
        })
        .await?;
        host.stop().await?;
        let log = fs::read(host.home.path().join("host.log"))?;
        ensure!(!traces_in(&log, "in service").is_empty(), "{filter:?}: the log is not the host's");
        ensure!(traces_in(&log, CONTROL).is_empty() != is_there, "{filter:?}: {}", String::from_utf8_lossy(&log));
    }
    Ok(())
}
