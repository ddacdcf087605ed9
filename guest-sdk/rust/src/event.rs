//! The event that started a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Timestamp;

/// A verified fact that started this run; `T` is the type of its data, [`Value`] where you do not say.
///
/// If the data does not fit `T`, the run fails at once with a message that names the field.
///
/// ```
/// use stepwell_sdk::{Event, clerk::UserCreated};
///
/// let event: Event<UserCreated> = serde_json::from_str(r#"{
///     "id": "0199", "source": "clerk", "external_id": "msg_1", "name": "clerk/user.created",
///     "data": {"id": "user_1", "first_name": null}, "ts": 1767225600000, "meta": {}
/// }"#)?;
/// assert_eq!(event.data.id, "user_1");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event<T = Value> {
    /// The host's own id of the event.
    pub id: String,
    /// Where it came from: `clerk`, `api`, ….
    #[serde(default)]
    pub source: String,
    /// The sender's id, such as `svix-id`; unique within the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Such as `clerk/user.created`.
    pub name: String,
    /// What happened; at most 1 MiB of JSON.
    pub data: T,
    /// When it happened, as the sender says.
    #[serde(default)]
    pub ts: Timestamp,
    /// The version of the data's shape, where the sender names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Value>,
    /// What the source adds; see [`crate::clerk::meta`].
    #[serde(default)]
    pub meta: Map<String, Value>,
}
