//! A second look at the raw heads of a connection, for what hyper hides: a request with both
//! `Content-Length` and `Transfer-Encoding` (hyper drops the former in silence), which two
//! servers in a row may cut differently. Must not alter or hold back a byte.
//!
//! Heads are found exactly, without parsing chunks: a body with a length is skipped by it,
//! and after a chunked request the connection is closed (see [`crate::front`]).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

#[derive(Debug)]
enum Scan {
    /// Within a head, or before one: what came of it so far.
    Head(Vec<u8>),
    /// Within a body of which so much is left.
    Body(u64),
    /// Not looking any more: chunked, malformed or ambiguous; the connection is closed after.
    Over { ambiguous: bool },
}

/// How a head says that its body is framed.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Incomplete,
    Length { head: usize, body: u64 },
    Chunked,
    Ambiguous,
    Malformed,
}

/// Follows the bytes that one connection receives.
#[derive(Debug)]
pub(crate) struct HeadScanner {
    scan: Scan,
    headers_max: usize,
    bytes_max: usize,
}

impl HeadScanner {
    pub(crate) fn new(headers_max: usize, bytes_max: usize) -> Self {
        Self { scan: Scan::Head(Vec::new()), headers_max, bytes_max }
    }

    /// Whether a head that could be read in two ways has come.
    pub(crate) fn ambiguous(&self) -> bool {
        matches!(self.scan, Scan::Over { ambiguous: true })
    }

    /// Whether a part of a head has come, but not its end.
    pub(crate) fn within_head(&self) -> bool {
        matches!(&self.scan, Scan::Head(bytes) if !bytes.is_empty())
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match &mut self.scan {
                Scan::Over { .. } => return,
                Scan::Body(left) => {
                    let rest = skip(left, bytes);
                    if *left == 0 {
                        self.scan = Scan::Head(Vec::new());
                    }
                    rest
                }
                Scan::Head(_) => self.feed_head(bytes),
            };
        }
    }

    fn feed_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Scan::Head(head) = &mut self.scan else {
            return bytes;
        };
        let before = head.len();
        head.extend_from_slice(bytes);
        // A head ends in a line feed: without one there is nothing new to see.
        if !bytes.contains(&b'\n') && head.len() <= self.bytes_max {
            return &[];
        }
        let (next, rest) = match framing(head, self.headers_max) {
            Framing::Incomplete if head.len() <= self.bytes_max => return &[],
            Framing::Incomplete | Framing::Malformed | Framing::Chunked => (Scan::Over { ambiguous: false }, &[][..]),
            Framing::Ambiguous => (Scan::Over { ambiguous: true }, &[][..]),
            Framing::Length { head, body } => {
                let rest = bytes.get(head.saturating_sub(before)..).unwrap_or_default();
                let scan = if body == 0 { Scan::Head(Vec::new()) } else { Scan::Body(body) };
                (scan, rest)
            }
        };
        self.scan = next;
        rest
    }
}

/// Takes up to `left` bytes off the front.
fn skip<'a>(left: &mut u64, bytes: &'a [u8]) -> &'a [u8] {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    bytes.get(taken..).unwrap_or_default()
}

/// Reads a head with the parser that hyper uses.
fn framing(bytes: &[u8], headers_max: usize) -> Framing {
    let mut headers = vec![httparse::EMPTY_HEADER; headers_max];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Framing::Incomplete,
        Err(_) => return Framing::Malformed,
    };
    let named = |name: http::HeaderName| {
        let headers = request.headers.iter();
        headers.filter(move |h| h.name.eq_ignore_ascii_case(name.as_str()))
    };
    let chunked = named(TRANSFER_ENCODING).next().is_some();
    let mut lengths = named(CONTENT_LENGTH);
    match (lengths.next(), lengths.next()) {
        (Some(_), _) if chunked => Framing::Ambiguous,
        (Some(_), Some(_)) => Framing::Ambiguous,
        (Some(one), None) => length(one.value).map_or(Framing::Malformed, |body| Framing::Length { head, body }),
        (None, _) if chunked => Framing::Chunked,
        (None, _) => Framing::Length { head, body: 0 },
    }
}

/// Digits only; hyper answers anything else with 400 by itself.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds in pieces of every size, since a network cuts where it likes.
    fn check(input: &str, ambiguous: bool, within_head: bool) {
        for size in 1..=input.len() {
            let mut scanner = HeadScanner::new(100, 16 * 1024);
            for piece in input.as_bytes().chunks(size) {
                scanner.feed(piece);
            }
            assert_eq!(scanner.ambiguous(), ambiguous, "{input:?} by {size}");
            assert_eq!(scanner.within_head(), within_head, "{input:?} by {size}");
        }
    }

    #[test]
    fn both_framings_in_either_order_or_two_lengths_are_ambiguous() {
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\ntransfer-ENCODING: chunked\r\n\r\n", true, false);
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", true, false);
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", true, false);
    }

    #[test]
    fn the_second_request_is_found_behind_a_body() {
        let first = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab\n";
        check(&format!("{first}GET / HT"), false, true);
        check(first, false, false);
        check(
            &format!("{first}POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            true,
            false,
        );
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_a_body() {
        let body = "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()), false, false);
    }

    #[test]
    fn a_head_without_an_end_is_not_kept_beyond_its_bound() {
        let mut scanner = HeadScanner::new(100, 8192);
        for _ in 0..100 {
            scanner.feed(&[b'a'; 1024]);
        }
        assert!(matches!(scanner.scan, Scan::Over { ambiguous: false }));
    }
}
