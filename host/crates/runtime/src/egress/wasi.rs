//! The standard `wasi:http` 0.2, by the same way out as the contract's own `http.send`: inside a step only.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::Outbound;
use super::queue::Queue;
use super::request::{Code, Incoming, Outgoing};
use crate::limits::{REQUEST_BYTES_MAX, REQUEST_TIMEOUT_MAX};

/// What wasmtime-wasi-http sends by. Without an activation everything is refused.
#[derive(Debug)]
pub(crate) struct WasiHooks {
    outbound: Option<Arc<Outbound>>,
    queue: Queue,
}

impl WasiHooks {
    pub(crate) fn new(outbound: Option<Arc<Outbound>>) -> Self {
        Self { outbound, queue: Queue::default() }
    }
}

/// Speaks of how the response's body came; ours has come as a whole.
type Trailing = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Trailing), Error>;

impl WasiHttpHooks for WasiHooks {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _trailing: Trailing,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let outbound = self.outbound.clone();
        // Several may be under way at once; their keys go by the order of these calls, on every attempt alike.
        let place = self.queue.place();
        let token = outbound.as_ref().and_then(|outbound| outbound.situation.attempt()).map(|attempt| attempt.token);
        Box::new(async move {
            let (Some(outbound), Some(token)) = (outbound, token) else { return Err(Error::HttpRequestDenied) };
            let outgoing = outgoing(request, options).await?;
            match outbound.send(token, outgoing, place).await {
                Ok(incoming) => incoming_response(incoming),
                Err(refused) => {
                    // WASI cannot say that trying again is of no use: the attempt remembers.
                    if refused.code.is_permanent() {
                        outbound.situation.deny(token);
                    }
                    Err(told(refused.code))
                }
            }
        })
    }
}

async fn outgoing(request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Result<Outgoing, Error> {
    let (mut parts, body) = request.into_parts();
    // Checked against the body by wasmtime-wasi-http, and set by the host.
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map_err(|_| Error::HttpRequestBodySize(None))?;
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let timeout = options.and_then(|options| options.first_byte_timeout);
    Ok(Outgoing {
        method: parts.method.to_string(),
        url: parts.uri.to_string(),
        headers,
        body: body.to_bytes(),
        timeout: timeout.map(|timeout| timeout.clamp(Duration::from_millis(1), REQUEST_TIMEOUT_MAX)),
    })
}

fn incoming_response(incoming: Incoming) -> Sent {
    let mut response = http::Response::builder().status(incoming.status);
    for (name, value) in &incoming.headers {
        response = response.header(name, value);
    }
    let body = Full::new(incoming.body).map_err(Into::into).boxed_unsync();
    let response = response.body(body).map_err(|_| Error::HttpProtocolError)?;
    Ok((response, Box::new(async { Ok(()) })))
}

/// The error as WASI has it.
const fn told(code: Code) -> Error {
    match code {
        Code::Denied | Code::NotInAStep => Error::HttpRequestDenied,
        Code::InvalidRequest => Error::HttpRequestUriInvalid,
        Code::Connect => Error::ConnectionRefused,
        Code::Timeout => Error::HttpResponseTimeout,
        Code::TooLarge => Error::HttpResponseBodySize(None),
        Code::Protocol => Error::HttpProtocolError,
    }
}
