//! The imports of contract 0.1. Where the engine answers [`Stopped`] an import never answers, and the driver
//! drops the instance.

use std::sync::Arc;
use std::time::Duration;

use stepwell_bindings::v0_1::{context, http, log, step, types};
use stepwell_core::journal::StepError;
use stepwell_core::log::Level;
use stepwell_core::{Json, Timestamp};
use stepwell_engine::executor::{Exit, Slot, Stopped};
use wasmtime::{Result, bail};

use super::{Ending, Situation, State};
use crate::egress::{Incoming, Outgoing, Place, Refused};
use crate::limits::RANDOM_BYTES_MAX;

impl types::Host for State {}

/// What an import needs while it awaits the engine.
struct Answering {
    situation: Arc<Situation>,
    ending: Arc<Ending>,
}

impl State {
    fn answering(&self) -> Answering {
        Answering { situation: self.situation.clone(), ending: self.ending.clone() }
    }
}

impl Answering {
    /// Awaits the engine's answer; where there is none, the guest has none either.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, Stopped>>) -> T {
        match self.situation.awaiting(call).await {
            Ok(answer) => answer,
            Err(Stopped) => self.ending.never(Exit::Stopped).await,
        }
    }

    /// Reads JSON of the guest, or ends the activation.
    async fn json(&self, text: String, what: &str) -> Json {
        match Json::parse(text) {
            Ok(json) => json,
            Err(error) => self.ending.never(Exit::Misused { message: format!("{what} is not JSON: {error}") }).await,
        }
    }

    async fn outcome(&self, outcome: Result<String, types::StepError>) -> Result<Json, StepError> {
        let error = match outcome {
            Ok(output) => return Ok(self.json(output, "the step's result").await),
            Err(error) => error,
        };
        let detail = match error.detail {
            Some(detail) => Some(self.json(detail, "the detail of the step's error").await),
            None => None,
        };
        let permanent = error.permanent || self.situation.is_denied();
        Err(StepError { message: error.message, permanent, retry_after_ms: error.retry_after_ms, detail })
    }

    fn slot(&self, slot: Slot, journal: Timestamp) -> types::Slot {
        match slot {
            Slot::Done(output) => types::Slot::Done(output.as_str().to_owned()),
            Slot::Failed(error) => types::Slot::Failed(told(error)),
            Slot::Execute(attempt) => {
                let told = types::Attempt {
                    number: attempt.number,
                    idempotency_key: attempt.key.clone(),
                    token: attempt.token,
                };
                self.situation.open(attempt, journal);
                types::Slot::Execute(told)
            }
        }
    }
}

/// An error as the guest is told of it.
fn told(error: StepError) -> types::StepError {
    types::StepError {
        message: error.message,
        permanent: error.permanent,
        retry_after_ms: error.retry_after_ms,
        detail: error.detail.map(|detail| detail.as_str().to_owned()),
    }
}

impl step::Host for State {
    async fn run(&mut self, name: String, options: String) -> Result<types::Slot> {
        let calls = self.calls("step.run")?;
        let host = self.answering();
        let journal = host.situation.journal_clock();
        let slot = host.answer(calls.step(name, options)).await;
        Ok(host.slot(slot, journal))
    }

    async fn finish(
        &mut self,
        token: u64,
        outcome: Result<String, types::StepError>,
    ) -> Result<Result<(), types::StepError>> {
        let calls = self.calls("step.finish")?;
        let host = self.answering();
        let outcome = host.outcome(outcome).await;
        let answer = host.answer(calls.finish(token, outcome)).await;
        host.situation.close();
        Ok(answer.map_err(told))
    }

    async fn sleep(&mut self, name: String, duration_ms: u64) -> Result<()> {
        let calls = self.calls("step.sleep")?;
        self.answering().answer(calls.sleep(name, Duration::from_millis(duration_ms))).await;
        Ok(())
    }

    async fn sleep_until(&mut self, name: String, epoch_ms: u64) -> Result<()> {
        let calls = self.calls("step.sleep-until")?;
        let until = Timestamp::from_millis(i64::try_from(epoch_ms).unwrap_or(i64::MAX));
        self.answering().answer(calls.sleep_until(name, until)).await;
        Ok(())
    }
}

impl http::Host for State {
    async fn send(&mut self, token: u64, request: http::Request) -> Result<Result<http::Response, http::HttpError>> {
        let outbound = self.running("http.send")?.outbound.clone();
        let outgoing = Outgoing {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body: request.body.unwrap_or_default().into(),
            timeout: request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms))),
        };
        let situation = self.situation.clone();
        let answer = situation.awaiting(outbound.send(token, outgoing, Place::default())).await;
        Ok(answer.map(response).map_err(http_error))
    }
}

fn response(incoming: Incoming) -> http::Response {
    http::Response { status: incoming.status, headers: incoming.headers, body: incoming.body.into() }
}

fn http_error(refused: Refused) -> http::HttpError {
    http::HttpError {
        code: refused.code.as_str().to_owned(),
        permanent: refused.code.is_permanent(),
        message: refused.message,
    }
}

impl context::Host for State {
    fn run(&mut self) -> Result<context::RunInfo> {
        let facts = &self.running("context.run")?.facts;
        Ok(context::RunInfo {
            run_id: facts.run.to_string(),
            workflow: facts.workflow.to_string(),
            event_id: facts.event.to_string(),
        })
    }

    fn now(&mut self) -> Result<u64> {
        self.calls("context.now")?;
        Ok(self.situation.journal_clock().as_millis_unsigned())
    }

    fn random(&mut self, length: u32) -> Result<Vec<u8>> {
        self.calls("context.random")?;
        if length > RANDOM_BYTES_MAX {
            let message = format!("context.random was asked for {length} bytes, the limit is {RANDOM_BYTES_MAX}");
            self.ending.leave(Exit::Misused { message });
            bail!("too many random bytes");
        }
        let mut bytes = vec![0; length as usize];
        self.situation.draw(&mut bytes);
        Ok(bytes)
    }

    async fn config(&mut self, name: String) -> Result<Option<String>> {
        let calls = self.calls("context.config")?;
        Ok(self.answering().answer(calls.var(name)).await)
    }

    fn secret(&mut self, name: String) -> Result<String> {
        Ok(self.running("context.secret")?.outbound.placeholder(&name))
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String, fields: Vec<(String, String)>) -> Result<()> {
        self.calls("log.log")?;
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.logs.write(level, &message, fields)?;
        Ok(())
    }
}
