//! Why a delivery was refused: one name a cause, the status it is answered with, and what an
//! operator can do about it. Carries nothing that a sender sent.

use http::StatusCode;
use serde::Serialize;

/// Why a delivery was refused. [`Cause::code`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    UnknownSource,
    Unavailable,
    BodiesTooMany,
    BodyCompressed,
    BodyTooLarge,
    BodyUnfinished,
    HeaderMissing,
    HeaderRepeated,
    HeaderMalformed,
    FamiliesDisagree,
    IdMalformed,
    TimestampMalformed,
    TimestampTooOld,
    TimestampTooNew,
    SignaturesTooLong,
    SignaturesTooMany,
    SignatureVersion,
    SignatureMismatch,
    SecretExpired,
    BodyNotUtf8,
    NotJson,
    NotAnObject,
    TooDeep,
    TypeMissing,
    DataMissing,
    EventRefused,
    IdConflict,
}

impl Cause {
    /// What the sender is answered.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::Unavailable | Self::BodiesTooMany => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyCompressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeaderMissing
            | Self::HeaderRepeated
            | Self::HeaderMalformed
            | Self::FamiliesDisagree
            | Self::IdMalformed
            | Self::TimestampMalformed
            | Self::TimestampTooOld
            | Self::TimestampTooNew
            | Self::SignaturesTooLong
            | Self::SignaturesTooMany
            | Self::SignatureVersion
            | Self::SignatureMismatch
            | Self::SecretExpired => StatusCode::UNAUTHORIZED,
            Self::BodyUnfinished
            | Self::BodyNotUtf8
            | Self::NotJson
            | Self::NotAnObject
            | Self::TooDeep
            | Self::TypeMissing
            | Self::DataMissing
            | Self::EventRefused => StatusCode::BAD_REQUEST,
            Self::IdConflict => StatusCode::CONFLICT,
        }
    }

    /// Whether the signature had held: no stranger can bring these about.
    pub const fn verified(self) -> bool {
        matches!(
            self,
            Self::BodyNotUtf8
                | Self::NotJson
                | Self::NotAnObject
                | Self::TooDeep
                | Self::TypeMissing
                | Self::DataMissing
                | Self::EventRefused
                | Self::IdConflict
        )
    }

    /// Whether a person should look at each of them: a sender that contradicts itself, or a forger
    /// who has the secret.
    pub const fn is_alert(self) -> bool {
        matches!(self, Self::IdConflict)
    }

    /// The stable name, as in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::Unavailable => "unavailable",
            Self::BodiesTooMany => "bodies_too_many",
            Self::BodyCompressed => "body_compressed",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnfinished => "body_unfinished",
            Self::HeaderMissing => "header_missing",
            Self::HeaderRepeated => "header_repeated",
            Self::HeaderMalformed => "header_malformed",
            Self::FamiliesDisagree => "families_disagree",
            Self::IdMalformed => "id_malformed",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::TimestampTooNew => "timestamp_too_new",
            Self::SignaturesTooLong => "signatures_too_long",
            Self::SignaturesTooMany => "signatures_too_many",
            Self::SignatureVersion => "signature_version",
            Self::SignatureMismatch => "signature_mismatch",
            Self::SecretExpired => "secret_expired",
            Self::BodyNotUtf8 => "body_not_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::TooDeep => "too_deep",
            Self::TypeMissing => "type_missing",
            Self::DataMissing => "data_missing",
            Self::EventRefused => "event_refused",
            Self::IdConflict => "id_conflict",
        }
    }

    /// What it means and what to look at, for a person.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::UnknownSource => "no source of this name is configured: compare the URL with [sources]",
            Self::Unavailable => "the host was starting, stopping, or could not write; the sender comes again",
            Self::BodiesTooMany => "too many bodies were held at once (BODIES_BYTES_MAX); the sender comes again",
            Self::BodyCompressed => "the body is compressed, which this host does not take: send it as it is",
            Self::BodyTooLarge => "the body exceeds 1 MiB (BODY_BYTES_MAX)",
            Self::BodyUnfinished => "the body did not arrive whole",
            Self::HeaderMissing => {
                "an id, timestamp or signature header is missing: not sent by Svix, or a proxy drops it"
            }
            Self::HeaderRepeated => "an id, timestamp or signature header came more than once",
            Self::HeaderMalformed => "an id, timestamp or signature header is not visible ASCII",
            Self::FamiliesDisagree => "svix-* and webhook-* headers say different things",
            Self::IdMalformed => "the id is not 1 to 128 of A-Z, a-z, 0-9, _ and -",
            Self::TimestampMalformed => "the timestamp is not 1 to 12 digits",
            Self::TimestampTooOld => "the timestamp is more than 5 minutes old: a replay, or a clock is wrong",
            Self::TimestampTooNew => "the timestamp is more than 5 minutes ahead: a clock is wrong",
            Self::SignaturesTooLong => "the signature header exceeds 4 kB (SIGNATURE_HEADER_BYTES_MAX)",
            Self::SignaturesTooMany => "the signature header has more than 16 entries (SIGNATURES_MAX)",
            Self::SignatureVersion => "no signature of version v1 is among the entries",
            Self::SignatureMismatch => {
                "no signature matches: the source's secret is another endpoint's, or the delivery is forged"
            }
            Self::SecretExpired => {
                "the signature matches only a secret that has expired: finish the rotation at the sender"
            }
            Self::BodyNotUtf8 => "the body is not UTF-8, hence no JSON",
            Self::NotJson => "the body is not JSON",
            Self::NotAnObject => "the body is not a JSON object",
            Self::TooDeep => "the body is nested deeper than 127 (JSON_DEPTH_MAX)",
            Self::TypeMissing => "the body has no `type`, which is a text of at least one character",
            Self::DataMissing => "the body has no `data`",
            Self::EventRefused => "prefix and `type` make no event name that this host takes",
            Self::IdConflict => {
                "this id came before with another body: the sender errs, or somebody else has the secret"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_json_says() {
        for cause in [Cause::UnknownSource, Cause::BodyNotUtf8, Cause::IdConflict, Cause::SignaturesTooLong] {
            assert_eq!(serde_json::to_string(&cause).unwrap(), format!("{:?}", cause.code()));
        }
    }
}
