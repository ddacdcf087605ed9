//! What a person types.

use anyhow::{Context, Result, bail, ensure};
use stepwell_harness::{Reader, Told, command, nobody};

use crate::line::{Line, json};
use crate::stage::Stage;

/// `command "VERB …" [unread] [prints=json|jsonl] [showing=TEXT] [saying=TEXT] -> CODE`
pub(super) async fn run(stage: &Stage, line: &mut Line) -> Result<()> {
    let text = line.word("what is typed")?;
    let reader = if line.flag("unread") { Reader::Gone } else { Reader::Whole };
    let url = match stage.host.api() {
        Ok(api) => format!("http://{}", api.0),
        Err(_) => nobody()?,
    };
    stage.host.write_config()?;
    let mut args = Vec::new();
    for word in text.split_whitespace() {
        args.push(filled(stage, word).await?);
    }
    let told = command(&args, &url, stage.host.home.path(), reader).await?;
    check(&told, line).with_context(|| format!("{told:#?}"))
}

fn check(told: &Told, line: &mut Line) -> Result<()> {
    let code: i32 = line.outcome().first().context("-> CODE is missing")?.parse()?;
    ensure!(told.code == Some(code), "it ended with {:?}, expected {code}", told.code);
    ensure!(!told.stderr.contains("panicked"), "it panicked");
    ensure!(!told.stdout.contains('\u{1b}') && !told.stderr.contains('\u{1b}'), "it is coloured, without a terminal");
    ensure!(code == 0 || told.stderr.contains("error: "), "it does not say what went wrong");
    let has_data = !matches!(code, 2 | 3 | 5);
    ensure!(has_data || told.stdout.is_empty(), "it prints although there is no data");
    prints(&told.stdout, line.option("prints").as_deref())?;
    if let Some(showing) = line.option("showing") {
        ensure!(told.stdout.contains(&showing), "standard output does not show {showing:?}");
    }
    if let Some(saying) = line.option("saying") {
        ensure!(told.stderr.contains(&saying), "standard error does not say {saying:?}");
    }
    Ok(())
}

/// Whether it is data of this form and nothing else.
fn prints(stdout: &str, form: Option<&str>) -> Result<()> {
    match form {
        None => Ok(()),
        Some("json") => json(stdout).map(drop),
        Some("jsonl") => {
            ensure!(!stdout.is_empty(), "it prints no line");
            stdout.lines().try_for_each(|line| json(line).map(drop))
        }
        Some(other) => bail!("prints={other}"),
    }
}

/// `{intake}` and `{admin}` are addresses, `{WORKFLOW}` the newest run of that workflow, `{event}` the newest event.
async fn filled(stage: &Stage, word: &str) -> Result<String> {
    let Some((before, rest)) = word.split_once('{') else { return Ok(word.to_owned()) };
    let Some((name, after)) = rest.split_once('}') else { return Ok(word.to_owned()) };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return Ok(word.to_owned());
    }
    let api = stage.host.api()?;
    let meant = match name {
        "intake" => stage.host.intake()?.to_string(),
        "admin" => api.0.to_string(),
        "event" => {
            let events = api.events("").await?;
            let id = events.first().and_then(|event| event.get("id")?.as_str());
            id.context("there is no event")?.to_owned()
        }
        workflow => {
            let runs = api.runs(&format!("workflow={workflow}")).await?;
            runs.first().with_context(|| format!("there is no run of {workflow}"))?.id.clone()
        }
    };
    Ok(format!("{before}{meant}{after}"))
}
