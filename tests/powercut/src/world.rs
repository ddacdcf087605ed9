//! What the workload puts, each thing by its number, so that whoever finds it later knows how it must be.

use stepwell_core::journal::{Call, CallKind, EntryState, OptionsHash};
use stepwell_core::{Digest, Entry, Event, EventId, Json, Timestamp};
use stepwell_store::{Element, Store};
use stepwell_store_sled::Options;
use stepwell_testkit::{bare_event, plugin};

use crate::seed::Seed;

/// The workflows there are.
pub(crate) const QUEUES: [&str; 3] = ["welcome", "drip", "trial"];
/// How often a run moves until it is completed.
pub(crate) const MOVES: u64 = 3;

/// So small that checkpoints, snapshots and new files come within some hundred elements.
pub fn options() -> Options {
    Options {
        cache_bytes: 4 << 20,
        checkpoint_bytes: 48 << 10,
        snapshot_bytes: 256 << 10,
        segment_bytes: 64 << 10,
        ..Options::default()
    }
}

/// `user` starts `welcome`; every third event starts `drip` and `trial`.
pub(crate) async fn register(store: &dyn Store) -> Result<(), stepwell_store::Error> {
    let mail = plugin("mail", &[("welcome", &["user"]), ("drip", &["trial/*"])]);
    for plugin in [mail, plugin("billing", &[("trial", &["trial/*"])])] {
        let receipt = store.submit(Element::Plugins(vec![plugin])).await?;
        store.durable(receipt.sequence).await?;
    }
    Ok(())
}

/// How many runs the nth event starts.
pub(crate) const fn runs_of(n: u64) -> usize {
    if n.is_multiple_of(3) { 2 } else { 1 }
}

/// The nth event. Most are small, some go over several pages.
pub(crate) fn event(n: u64) -> Event {
    let mut seed = Seed::new(n, 1);
    let size = if n.is_multiple_of(50) { 20_000 + seed.below(40_000) } else { 20 + seed.below(700) };
    let text: String = (0..size).map(|_| char::from(b'a' + (seed.number() % 26) as u8)).collect();
    let id = EventId::from_bytes(u128::from(n).to_be_bytes());
    let name = if n.is_multiple_of(3) { "trial/started" } else { "user" };
    Event {
        external_id: Some(format!("msg_{n}")),
        data: json(&serde_json::json!({ "n": n, "text": text })),
        body: Some(Digest::of(text.as_bytes())),
        ..bare_event(id, name, Timestamp::from_millis((n % (1 << 40)) as i64))
    }
}

/// The number of an event.
pub(crate) fn number_of(id: EventId) -> u64 {
    u128::from_be_bytes(*id.as_bytes()) as u64
}

/// The entry that a run's nth move puts.
pub(crate) fn entry(n: u64) -> Entry {
    let index = u32::try_from(n).unwrap_or(u32::MAX);
    let call = Call { kind: CallKind::Run, name: format!("step {n}"), options: OptionsHash::of(b"") };
    let output = json(&serde_json::json!({ "step": n, "text": "x".repeat(100) }));
    Entry { index, call, state: EntryState::Done { attempts: Vec::new(), output, at: Timestamp::from_millis(1) } }
}

/// The nth component.
pub(crate) fn component(n: u64) -> Vec<u8> {
    let mut seed = Seed::new(n, 2);
    let size = 10 + seed.below(30_000);
    (0..size).map(|_| seed.number() as u8).collect()
}

fn json(value: &serde_json::Value) -> Json {
    Json::parse(value.to_string()).unwrap()
}
