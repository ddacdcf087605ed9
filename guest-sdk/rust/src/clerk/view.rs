//! How the views are made: one macro, so that unknown fields, nulls and absences are treated alike everywhere.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// A struct with demanded fields in the first braces and tolerated ones in the second; both keep their docs.
macro_rules! view {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$must_doc:meta])* $must:ident: $must_type:ty,)* }
        { $($(#[$may_doc:meta])* $may:ident: $may_type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        pub struct $name {
            $($(#[$must_doc])* pub $must: $must_type,)*
            $(
                $(#[$may_doc])*
                #[serde(default, deserialize_with = "crate::clerk::view::or_default")]
                pub $may: $may_type,
            )*
            /// Every field that is not named above.
            #[serde(flatten)]
            pub other: ::serde_json::Map<::std::string::String, ::serde_json::Value>,
        }
    };
}

pub(super) use view;

/// Null reads as the default.
pub(super) fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// A time of Clerk's: whole milliseconds since 1970, though seconds occur (a value under 10^11, which as
/// milliseconds would lie before March 1973, is read as seconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

/// 10^11 ms are 3 March 1973; 10^11 s are the year 5138.
const SECONDS_BELOW: u64 = 100_000_000_000;

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(from)?;
        let millis = if number < SECONDS_BELOW { number * 1000 } else { number };
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0
    }
}
