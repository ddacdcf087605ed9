//! `stepwell runs`: look at runs and act on them.

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::cli::{Format, Id, Remote, Runs, RunsList, RunsLogs};
use crate::client::Client;
use crate::commands::Failure;
use crate::data::Data;
use crate::print::{Column, cell, list, one, say, table};

/// Columns of a list of runs.
pub(crate) const COLUMNS: &[Column] = &[
    ("RUN", "/id"),
    ("WORKFLOW", "/workflow"),
    ("STATUS", "/status"),
    ("EVENT", "/event_name"),
    ("CREATED", "/created_at"),
];
const STEP_COLUMNS: &[Column] = &[
    ("STEP", "/name"),
    ("STATUS", "/status"),
    ("ATTEMPTS", "/attempt_count"),
    ("ENDED", "/ended_at"),
    ("WAKES", "/wake_at"),
    ("ERROR", "/error/message"),
];

const REQUEST_COLUMNS: &[Column] = &[
    ("STEP", "/step"),
    ("ATTEMPT", "/attempt"),
    ("METHOD", "/method"),
    ("REQUEST", "/to"),
    ("ANSWER", "/answer"),
    ("MS", "/duration_ms"),
    ("OUT", "/bytes_out"),
    ("IN", "/bytes_in"),
    ("WHY", "/reason"),
];

const LINE_COLUMNS: &[Column] =
    &[("TIME", "/at"), ("LEVEL", "/level"), ("STEP", "/step"), ("ATTEMPT", "/attempt"), ("MESSAGE", "/told")];

pub(crate) async fn run(verb: Runs) -> Result<(), Failure> {
    match verb {
        Runs::List(flags) => list_runs(&flags).await,
        Runs::Get(id) => {
            let client = Client::new(&id.remote)?;
            let run = client.get(&format!("/api/v1/runs/{}", find(&client, "runs", &id).await?), &[]).await?;
            Ok(one(&run, id.remote.output.output, describe)?)
        }
        Runs::Logs(flags) => logs(&flags).await,
        Runs::Cancel(id) => act(&id, "cancel").await,
        Runs::WakeNow(id) => act(&id, "wake-now").await,
        Runs::Resume(id) => act(&id, "resume").await,
    }
}

async fn list_runs(flags: &RunsList) -> Result<(), Failure> {
    let remote = &flags.list.remote;
    let mut query = flags.list.query();
    query.extend(flags.status.iter().map(|status| ("status", status.clone())));
    query.extend(flags.workflow.iter().map(|workflow| ("workflow", workflow.clone())));
    query.extend(flags.event.iter().map(|event| ("event", event.clone())));
    let page = Client::new(remote)?.get("/api/v1/runs", &query).await?;
    Ok(list(&page, COLUMNS, remote.output.output)?)
}

/// All that is kept of a run's log, page after page: a thousand lines at most.
async fn logs(flags: &RunsLogs) -> Result<(), Failure> {
    let client = Client::new(&flags.run.remote)?;
    let path = format!("/api/v1/runs/{}/logs", find(&client, "runs", &flags.run).await?);
    let (mut lines, mut cursor) = (Vec::new(), None);
    let not_kept = loop {
        let mut query = vec![("limit", "200".to_owned())];
        query.extend(flags.level.map(|level| ("level", level.to_string())));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = client.get(&path, &query).await?;
        lines.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break page.get("not_kept").and_then(Value::as_u64).unwrap_or_default();
        }
    };
    let format = flags.run.remote.output.output;
    if format == Format::Table {
        lines.iter_mut().for_each(put_together);
    }
    let page = json!({ "items": lines, "next_cursor": null, "not_kept": not_kept });
    list(&Data::from(page), LINE_COLUMNS, format)?;
    if not_kept > 0 {
        say(&format!("{not_kept} more lines were not kept: the run has logged more than there is room for"));
    }
    Ok(())
}

/// A line's fields behind its message.
fn put_together(line: &mut Value) {
    let Some(line) = line.as_object_mut() else { return };
    let fields = line.get("fields").and_then(Value::as_object).into_iter().flatten();
    let fields: String = fields.map(|(name, value)| format!(" {name}={}", cell(Some(value)))).collect();
    let told = format!("{}{fields}", cell(line.get("message")));
    line.insert("told".to_owned(), told.into());
}

async fn act(id: &Id, verb: &str) -> Result<(), Failure> {
    let client = Client::new(&id.remote)?;
    let run = find(&client, "runs", id).await?;
    client.post(&format!("/api/v1/runs/{run}/{verb}"), None::<&Value>).await?;
    say(&format!("{verb}: run {run}"));
    Ok(())
}

/// The whole id that begins with what was given.
pub(crate) async fn find(client: &Client, what: &str, id: &Id) -> Result<String, Failure> {
    const WHOLE: usize = 36;
    let given = id.id.as_str();
    let missing = || Failure::NotFound(anyhow!("none of the {what} has an id that begins with {given:?}"));
    if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(missing());
    }
    if given.len() >= WHOLE {
        return Ok(given.to_owned());
    }
    let query = [("id_prefix", given.to_owned()), ("limit", "2".to_owned())];
    let page = client.get(&format!("/api/v1/{what}"), &query).await?;
    let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match items {
        [one] => Ok(cell(one.get("id"))),
        [] => Err(missing()),
        [one, two, ..] => Err(Failure::Usage(anyhow!(
            "more than one of the {what} has an id that begins with {given:?}, such as {} and {}: give more of it",
            cell(one.get("id")),
            cell(two.get("id"))
        ))),
    }
}

fn describe(run: &Value) -> String {
    const FACTS: [(&str, &str); 10] = [
        ("run", "/id"),
        ("workflow", "/workflow"),
        ("status", "/status"),
        ("event", "/event_id"),
        ("component", "/component_digest"),
        ("created", "/created_at"),
        ("started", "/started_at"),
        ("ended", "/ended_at"),
        ("output", "/output"),
        ("error", "/error/message"),
    ];
    const RARE: [(&str, &str); 3] =
        [("goes on", "/due_at"), ("paused", "/paused_reason"), ("cancelled by", "/cancelled_by")];
    let line = |(name, pointer): (&str, &str)| format!("{name:<13}{}\n", cell(run.pointer(pointer)));
    let rare = RARE.into_iter().filter(|(_, pointer)| run.pointer(pointer).is_some_and(|value| !value.is_null()));
    let facts: String = FACTS.into_iter().chain(rare).map(line).collect();
    let steps = run.get("steps").and_then(Value::as_array).into_iter().flatten();
    let steps: Vec<Value> = steps.cloned().map(summed_up).collect();
    let requests: Vec<Value> = steps.iter().flat_map(requests_of).collect();
    let steps = table(&steps, STEP_COLUMNS);
    match requests.as_slice() {
        [] => format!("{facts}\n{steps}"),
        requests => format!("{facts}\n{steps}\n\n{}", table(requests, REQUEST_COLUMNS)),
    }
}

/// The requests of a step's attempts, with where they belong.
fn requests_of(step: &Value) -> Vec<Value> {
    let attempts = step.get("attempts").and_then(Value::as_array).into_iter().flatten();
    let of = |attempt: &Value| {
        let requests = attempt.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
        let number = attempt.get("number").cloned().unwrap_or_default();
        let placed = move |mut request: Value| {
            let to = format!("{}{}", cell(request.get("origin")), cell(request.get("path")));
            let answer = request.get("status").filter(|status| !status.is_null()).or(request.get("error")).cloned();
            if let Some(request) = request.as_object_mut() {
                request.insert("attempt".to_owned(), number.clone());
                request.insert("to".to_owned(), to.into());
                request.insert("answer".to_owned(), answer.unwrap_or_default());
            }
            request
        };
        requests.into_iter().map(placed).collect::<Vec<_>>()
    };
    let named = |mut request: Value| {
        if let Some(request) = request.as_object_mut() {
            request.insert("step".to_owned(), step.get("name").cloned().unwrap_or_default());
        }
        request
    };
    attempts.flat_map(of).map(named).collect()
}

/// A step with how often it was tried, and the last error of one that is not done.
fn summed_up(mut step: Value) -> Value {
    let attempts = step.get("attempts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let count = Value::from(attempts.len());
    let last = attempts.last().and_then(|attempt| attempt.get("error")).cloned();
    if let Some(step) = step.as_object_mut() {
        step.insert("attempt_count".to_owned(), count);
        if step.get("error").is_none_or(Value::is_null) {
            step.insert("error".to_owned(), last.unwrap_or(Value::Null));
        }
    }
    step
}

/// The runs of an event, once every one of them has ended or is parked. Says what is waited for.
pub(crate) async fn settled(client: &Client, remote: &Remote, event: &str) -> Result<Data, Failure> {
    const PARKED: [&str; 6] = ["sleeping", "waiting", "paused", "completed", "failed", "cancelled"];
    let mut said = String::new();
    loop {
        let page = client.get(&format!("/api/v1/events/{event}/runs"), &[("limit", "200".to_owned())]).await?;
        let items = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let busy = |run: &&Value| !run.get("status").and_then(Value::as_str).is_some_and(|s| PARKED.contains(&s));
        let waited: Vec<String> = items.iter().filter(busy).map(named).collect();
        if waited.is_empty() {
            list(&page, COLUMNS, remote.output.output)?;
            return Ok(page);
        }
        let waited = format!("waiting for {}", waited.join(", "));
        if waited != said {
            say(&waited);
            said = waited;
        }
        // Told at once if it ends; that it is parked is seen on the next look.
        let of_first = items.iter().find(busy).map(|run| cell(run.get("id"))).unwrap_or_default();
        match client.get(&format!("/api/v1/runs/{of_first}"), &[("wait", "200ms".to_owned())]).await {
            Ok(_) | Err(Failure::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
    }
}

fn named(run: &Value) -> String {
    format!("{} ({})", cell(run.get("workflow")), cell(run.get("status")))
}
