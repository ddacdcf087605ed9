//! A drain waits for requests, not for peers that do not finish theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use std::time::Duration;

use stepwell_http::{Drained, Limits};
use support::{Running, SHORT, SOON, rest, start, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// A listener whose drain would wait for longer than any test does.
async fn patient(limits: Limits) -> Running {
    start(Limits { drain: SOON * 6, ..limits }).await
}

/// A connection that has sent this, and of which the listener knows.
async fn sent(host: &Running, text: &str) -> TcpStream {
    let mut socket = host.connect().await;
    socket.write_all(text.as_bytes()).await.unwrap();
    // Its task must have read what came.
    let _pause = timeout(SHORT, std::future::pending::<()>()).await;
    assert!(host.handle.connections() > 0);
    socket
}

async fn ends(host: Running) {
    assert_eq!(timeout(SOON, host.ended).await.expect("it waits").unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn who_has_not_sent_a_whole_head_is_closed_at_once() {
    for text in ["", "POST /length HT", "POST /length HTTP/1.1\r\nHost: a\r\n"] {
        let host = patient(Limits::default()).await;
        let mut socket = sent(&host, text).await;
        host.handle.drain();
        assert_eq!(rest(&mut socket).await, "", "{text:?}");
        ends(host).await;
    }
}

#[tokio::test]
async fn a_head_that_comes_behind_an_answer_and_does_not_end_is_closed_behind_it() {
    let host = patient(Limits::default()).await;
    let mut socket = sent(&host, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").await;
    host.handle.drain();
    assert_eq!(status(&rest(&mut socket).await), 200);
    ends(host).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_waited_for_a_moment_and_then_answered() {
    let host = patient(Limits { drain_body: SHORT, ..Limits::default() }).await;
    let mut socket = sent(&host, "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na").await;
    let begun = Instant::now();
    host.handle.drain();
    let answer = rest(&mut socket).await;
    assert!(status(&answer) == 503 && answer.contains("\"draining\""), "{answer}");
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    ends(host).await;
}

#[tokio::test]
async fn a_body_that_begins_while_the_listener_drains_has_as_long() {
    let host = patient(Limits { drain_body: SHORT, ..Limits::default() }).await;
    let mut socket = sent(&host, "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await;
    host.handle.drain();
    socket.write_all(b"b").await.unwrap();
    let answer = rest(&mut socket).await;
    assert!(status(&answer) == 200 && answer.ends_with('2'), "{answer}");
    ends(host).await;
}

#[tokio::test]
async fn a_body_that_drips_holds_nothing_up() {
    let host = patient(Limits { drain_body: SHORT, ..Limits::default() }).await;
    let socket = sent(&host, "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\na").await;
    let (mut reader, mut writer) = socket.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            let _pause = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
        }
    });
    let begun = Instant::now();
    host.handle.drain();
    let mut buffer = [0; 1024];
    let read = timeout(SOON, reader.read(&mut buffer)).await.expect("no answer").unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&buffer[..read])), 503);
    ends(host).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drip.abort();
}
