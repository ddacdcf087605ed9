//! HTTP/1.1 as a client speaks it: one connection, one request at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::ANSWER_MAX;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Request {
    /// `GET` of a path with its query.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Another method with a JSON body.
    pub fn json(method: &'static str, path: impl Into<String>, body: &Value) -> Self {
        let headers = vec![(CONTENT_TYPE.as_str(), "application/json".to_owned())];
        Self { method, path: path.into(), headers, body: Bytes::from(body.to_string()) }
    }

    fn build(&self, to: SocketAddr) -> Result<http::Request<Full<Bytes>>> {
        let mut request = http::Request::builder().method(self.method).uri(&self.path).header(HOST, to.to_string());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(self.body.clone())).context("the request is malformed")
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    /// The body, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection that is kept for several requests.
#[derive(Debug)]
pub struct Connection {
    to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    pub async fn open(to: SocketAddr) -> Result<Self> {
        let stream =
            timeout(ANSWER_MAX, TcpStream::connect(to)).await.with_context(|| format!("connecting to {to}"))?;
        let stream = stream.with_context(|| format!("connecting to {to}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, or with the peer; whoever sends learns of that.
        tokio::spawn(connection);
        Ok(Self { to, sender })
    }

    /// Asks, and waits for the whole answer.
    pub async fn send(&mut self, request: &Request) -> Result<Answer> {
        let built = request.build(self.to)?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(built).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok(Answer { status, body })
        };
        let named = || format!("{} http://{}{}", request.method, self.to, request.path);
        timeout(ANSWER_MAX, exchange).await.with_context(named)?.with_context(named)
    }
}

/// One request on a connection of its own.
pub async fn once(to: SocketAddr, request: &Request) -> Result<Answer> {
    Connection::open(to).await?.send(request).await
}
