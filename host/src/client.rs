//! A client of the host's own API, for the verbs that talk to a running host.

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::{Remote, URL_DEFAULT};
use crate::commands::Failure;
use crate::data::Data;

/// Longer than any backup or erasure takes, and not for ever.
const BACKUP_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longer than the largest component takes to be sent and compiled.
const LOAD_MAX: Duration = Duration::from_secs(600);

/// Talks to one host.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(remote: &Remote) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { http, base: remote.url.clone(), token: remote.token.clone() })
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Data, Failure> {
        let request = self.request(Method::GET, path).query(query);
        self.send(request).await
    }

    /// The same, read as a value of type `T`.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.request(Method::GET, path).send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let body = self.body(response).await?;
            return Err(self.refusal(status, &body));
        }
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        let read = serde_json::from_str(&text);
        Ok(read
            .with_context(|| format!("what {}{path} answers is not understood: is it another version?", self.base))?)
    }

    pub(crate) async fn post(&self, path: &str, body: Option<&impl Serialize>) -> Result<Data, Failure> {
        let request = self.request(Method::POST, path);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Data, Failure> {
        self.send(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Asks for a backup. Its bytes come once the host has written it, which takes what it takes.
    pub(crate) async fn backup(&self, process: Option<u32>) -> Result<reqwest::Response, Failure> {
        let request = self.request(Method::POST, "/api/v1/store/backup").timeout(BACKUP_MAX);
        let process = process.map(|process| ("process", process));
        let response = request.query(&process.as_slice()).send().await.map_err(|error| self.unreachable(&error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => {
                let body = self.body(response).await?;
                Err(self.refusal(status, &body))
            }
        }
    }

    /// Asks for a person to be erased, which takes what it takes.
    pub(crate) async fn erase(&self, subject: &str) -> Result<Data, Failure> {
        let body = serde_json::json!({ "subject": subject });
        let request = self.request(Method::POST, "/api/v1/privacy/erase").timeout(BACKUP_MAX);
        self.send(request.json(&body)).await
    }

    /// Has the secrets read again, by programs too.
    pub(crate) async fn reload_secrets(&self) -> Result<Data, Failure> {
        self.send(self.request(Method::POST, "/api/v1/secrets/reload").timeout(LOAD_MAX)).await
    }

    /// Sends a component, which is answered once it was compiled.
    pub(crate) async fn load(
        &self,
        path: &str,
        component: Vec<u8>,
        signature: Option<String>,
    ) -> Result<Data, Failure> {
        let mut request = self.request(Method::PUT, path).timeout(LOAD_MAX).body(component);
        if let Some(signature) = signature {
            request = request.header("Stepwell-Signature", signature);
        }
        self.send(request.header("Content-Type", "application/wasm")).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Data, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if status.is_success() { Ok(body) } else { Err(self.refusal(status, &body)) }
    }

    async fn body(&self, response: reqwest::Response) -> Result<Data, Failure> {
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        Data::parse(text).map_err(|_| self.stranger(status))
    }

    fn refusal(&self, status: StatusCode, body: &Value) -> Failure {
        match body.get("code").and_then(Value::as_str) {
            // The API knows all the paths that are asked for here.
            None | Some("not_found") => self.stranger(status),
            Some(code) => refused(status, code, body),
        }
    }

    /// Somebody answers, but not the API of a host.
    fn stranger(&self, status: StatusCode) -> Failure {
        Failure::Unreachable(anyhow!(
            "what answers at {} is not a host's API (HTTP {}): --url names its admin address, which is {URL_DEFAULT} unless configured otherwise",
            self.base,
            status.as_u16()
        ))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::Unreachable(anyhow!(
            "no host answers at {}: {}. Start one with `stepwell dev` or `stepwell serve`, or name it with --url",
            self.base,
            innermost(error)
        ))
    }
}

/// The last cause, which tells what happened; those before it tell where.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// What a problem document (RFC 9457) says.
fn refused(status: StatusCode, code: &str, body: &Value) -> Failure {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let detail = match status {
        StatusCode::UNAUTHORIZED if code == "unauthorized" => {
            "this host demands a token that it knows: give one with --token or in STEPWELL_TOKEN"
        }
        _ => text("detail").or_else(|| text("title")).unwrap_or("no reason given"),
    };
    let error = anyhow!("{detail} ({code}, HTTP {})", status.as_u16());
    if status == StatusCode::NOT_FOUND { Failure::NotFound(error) } else { Failure::Other(error) }
}
