//! One activation's way out: inside a step, asked for, granted, permitted by the engine, in this order.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use http::header::HeaderMap;
use reqwest::Url;
use stepwell_core::{Manifest, PluginName};
use stepwell_engine::executor::{Calls, Exit, Stopped};

use super::noted::Noted;
use super::request::{Checked, Code, Incoming, Outgoing, Refused};
use super::secret::{self, Masks};
use super::{Egress, EgressRate, Grants, Origin, Place};
use crate::guest::{Ending, Situation};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What one activation's requests go by.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) egress: Arc<Egress>,
    pub(crate) grants: Arc<ArcSwap<Grants>>,
    pub(crate) plugin: PluginName,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) situation: Arc<Situation>,
    pub(crate) ending: Arc<Ending>,
}

/// What a grant says about one request.
struct Terms {
    rate: Option<EgressRate>,
    allow_private: bool,
    masks: Masks,
}

impl Outbound {
    /// The placeholder for a secret.
    pub(crate) fn placeholder(&self, name: &str) -> String {
        secret::placeholder(self.situation.seed(), name)
    }

    /// Sends a request for the open attempt `token`, in its turn. The run remembers it, also one that is refused.
    pub(crate) async fn send(&self, token: u64, outgoing: Outgoing, place: Place) -> Result<Incoming, Refused> {
        self.check_open(token)?;
        let mut noted = Noted::of(&outgoing, self.egress.number());
        let answer = match self.permitted(token, outgoing, place).await {
            Ok((request, terms)) => {
                self.note(token, &noted).await;
                self.performed(request, terms).await
            }
            Err(refused) => Err(refused.before()),
        };
        noted.end(&answer);
        self.note(token, &noted).await;
        answer
    }

    async fn note(&self, token: u64, noted: &Noted) {
        self.calls.requested(token, noted.number, noted.request.clone()).await;
    }

    async fn performed(&self, request: Checked, terms: Terms) -> Result<Incoming, Refused> {
        let incoming = self.egress.perform(request, terms.allow_private).await?;
        Ok(terms.mask(incoming))
    }

    /// The request once it may leave: asked for, granted, in its turn, and durable what it has seen.
    async fn permitted(&self, token: u64, outgoing: Outgoing, mut place: Place) -> Result<(Checked, Terms), Refused> {
        let mut request = outgoing.check()?;
        if !self.asks_for(&request.origin).await {
            return Err(Code::Denied.because(format!(
                "{} is not among the hosts that the plugin {} asks for",
                request.origin, self.plugin
            )));
        }
        let terms = self.granted(&mut request)?;
        place.comes().await;
        if let Some(rate) = terms.rate {
            // Its turn is the operator's to give: the step's timeout stands still.
            self.calls.held(Box::pin(self.egress.rates.turn(&request.origin, rate))).await;
        }
        // By wasi:http the step may have ended meanwhile and left its request behind.
        self.check_open(token)?;
        let permit = self.answer(self.calls.permit(token)).await;
        drop(place);
        add_key(&mut request.headers, &permit.key)?;
        Ok((request, terms))
    }

    fn check_open(&self, token: u64) -> Result<(), Refused> {
        if self.situation.attempt().is_some_and(|attempt| attempt.token == token) {
            return Ok(());
        }
        Err(Code::NotInAStep.because("a request may leave inside a step only, for its open attempt"))
    }

    /// Awaits the engine's answer; where there is none, the activation ends.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, Stopped>>) -> T {
        match call.await {
            Ok(answer) => answer,
            Err(Stopped) => self.ending.never(Exit::Stopped).await,
        }
    }

    /// Whether the component asks for this destination, literally or by a config value as the run has it.
    async fn asks_for(&self, origin: &Origin) -> bool {
        for ask in &self.manifest.asks.hosts {
            let asked = match ask.strip_prefix('$') {
                None => ask.parse().ok(),
                // The value is a base URL and may have a path: the destination is its origin.
                Some(name) => {
                    let value = self.answer(self.calls.var(name.to_owned())).await;
                    value.and_then(|value| Origin::of(&Url::parse(&value).ok()?))
                }
            };
            if asked.as_ref() == Some(origin) {
                return true;
            }
        }
        false
    }

    /// What today's grant says, with the secrets put into the request's headers.
    fn granted(&self, request: &mut Checked) -> Result<Terms, Refused> {
        let grants = self.grants.load();
        let held = grants.of(&self.plugin).filter(|held| held.reaches(&request.origin)).ok_or_else(|| {
            Code::Denied
                .because(format!("the operator does not grant {} to the plugin {}", request.origin, self.plugin))
        })?;
        if request.leads().is_some_and(|leads| !leads.is_allowed(held.allow_private)) {
            let message =
                format!("{} is an address of this machine, its networks or of no place at all", request.origin);
            return Err(Code::Denied.because(message));
        }
        for (name, value) in request.headers.iter_mut() {
            let Ok(text) = value.to_str() else { continue };
            match secret::fill(self.situation.seed(), text, held.secrets(&self.manifest)) {
                Ok(None) => {}
                Ok(Some(filled)) => *value = sensitive(&filled)?,
                Err(secret) => {
                    let message =
                        format!("the header {name} has the placeholder of the secret {secret}, which is not granted");
                    return Err(Code::Denied.because(message));
                }
            }
        }
        let masks = Masks::of(held.masked(&self.manifest));
        Ok(Terms { rate: held.rate, allow_private: held.allow_private, masks })
    }
}

impl Terms {
    fn mask(&self, mut incoming: Incoming) -> Incoming {
        for (_, value) in &mut incoming.headers {
            *value = self.masks.text(std::mem::take(value));
        }
        let length = incoming.body.len();
        incoming.body = self.masks.bytes(incoming.body);
        if incoming.body.len() != length {
            // The true length would tell that of the secret, and is no longer this body's.
            incoming.set_length();
        }
        incoming
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, Refused> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Code::InvalidRequest.because("a secret has a character that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn add_key(headers: &mut HeaderMap, key: &str) -> Result<(), Refused> {
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        let key = HeaderValue::from_str(key)
            .map_err(|_| Code::Protocol.because("the idempotency key is no header's value"))?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    Ok(())
}
