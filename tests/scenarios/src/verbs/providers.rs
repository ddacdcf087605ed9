//! What the providers do wrong.

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use crate::line::Line;
use crate::stage::Stage;

/// `fault PROVIDER [status=] [message=] [drop=] [latency=] [count=] [path=]`
pub(super) async fn fault(stage: &Stage, line: &mut Line) -> Result<()> {
    let provider = line.word("a provider")?;
    let mut fault = Map::new();
    if let Some(message) = line.option("message") {
        fault.insert("body".to_owned(), error_body(&provider, &message));
    }
    fault.insert("provider".to_owned(), json!(provider));
    let texts = [("path", "path"), ("drop", "drop_connection")];
    fault.extend(texts.iter().filter_map(|(key, name)| Some(((*name).to_owned(), json!(line.option(key)?)))));
    for key in ["status", "count", "retry_after"] {
        if let Some(number) = line.number::<u64>(key)? {
            fault.insert(key.to_owned(), json!(number));
        }
    }
    if let Some(length) = line.length("latency")? {
        fault.insert("latency_ms".to_owned(), json!(u64::try_from(length.as_millis())?));
    }
    stage.emulators.put_faults(&Value::Object(fault)).await
}

/// An error in the words of the provider.
fn error_body(provider: &str, message: &str) -> Value {
    match provider {
        "stripe" => json!({"error": {"type": "card_error", "code": "card_declined", "message": message}}),
        _ => json!({"statusCode": 422, "name": "validation_error", "message": message}),
    }
}

/// `faults none`
pub(super) async fn faults(stage: &Stage, line: &mut Line) -> Result<()> {
    ensure!(line.flag("none"), "faults can only be none");
    stage.emulators.clear_faults().await
}
