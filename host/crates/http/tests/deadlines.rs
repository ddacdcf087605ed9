//! Deadlines: each test waits out one short deadline, and shows that the others hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use std::time::Duration;

use stepwell_http::Limits;
use support::{SHORT, SOON, one, rest, start, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

fn limits() -> Limits {
    Limits { header_read: SOON * 6, body_read: SOON * 6, handler: None, keep_alive_idle: SOON * 6, ..Limits::default() }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed_even_if_it_drips() {
    let host = start(Limits { header_read: SHORT, ..limits() }).await;
    let mut socket = host.connect().await;
    let begun = Instant::now();
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut buffer = [0; 1];
    while timeout(SHORT / 10, socket.read(&mut buffer)).await.is_err() {
        let _may_be_closed = socket.write_all(b"a: b\r\n").await;
        assert!(begun.elapsed() < SOON, "still open");
    }
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let host = start(Limits { header_read: SHORT, ..limits() }).await;
    let mut socket = host.connect().await;
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_second_head_that_does_not_end_is_closed_at_the_heads_deadline() {
    let host = start(Limits { header_read: SHORT, ..limits() }).await;
    let mut socket = host.connect().await;
    // The second head's beginning comes with the first request, in one packet.
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").await.unwrap();
    assert_eq!(status(&rest(&mut socket).await), 200);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_heads_deadline_but_not_its_own() {
    let host = start(Limits { header_read: SHORT, keep_alive_idle: SHORT * 4, ..limits() }).await;
    let mut socket = host.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut socket).await), 200);
    let idle = Instant::now();
    assert_eq!(rest(&mut socket).await, "");
    assert!(idle.elapsed() >= SHORT * 3, "{:?}", idle.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_408_even_if_it_drips() {
    let host = start(Limits { body_read: SHORT, ..limits() }).await;
    for path in ["/length", "/length?again"] {
        let mut socket = host.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = socket.into_split();
        let drip = async {
            while writer.write_all(b"x").await.is_ok() {
                let _pause = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
            }
        };
        let mut buffer = [0; 1024];
        let read = tokio::select! { read = reader.read(&mut buffer) => read.unwrap(), () = drip => 0 };
        assert_eq!(status(&String::from_utf8_lossy(&buffer[..read])), 408);
    }
}

#[tokio::test]
async fn a_slow_handler_is_answered_503_and_an_exempt_one_is_waited_for() {
    let host = start(Limits { handler: Some(SHORT), ..limits() }).await;
    let answer = host.get("/never").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("retry-after: "), "{answer}");

    let exempt = Limits { handler: Some(SHORT), handler_exempt: vec!["/never".into()], ..limits() };
    let host = start(exempt).await;
    assert!(timeout(SHORT * 3, host.get("/never")).await.is_err());
}

#[tokio::test]
async fn a_handler_has_its_whole_deadline_after_a_slow_body() {
    let host = start(Limits { handler: Some(SHORT), ..limits() }).await;
    let mut socket = host.connect().await;
    socket.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    assert!(timeout(SHORT * 2, socket.readable()).await.is_err(), "answered before the body's end");
    socket.write_all(b"b").await.unwrap();
    assert_eq!(status(&one(&mut socket).await), 200);
}

#[tokio::test]
async fn a_stream_outlives_every_deadline_of_requests() {
    let short = Limits {
        header_read: SHORT,
        body_read: SHORT,
        handler: Some(SHORT),
        keep_alive_idle: SHORT,
        write_stall: SHORT,
        ..limits()
    };
    let host = start(short).await;
    let mut socket = host.connect().await;
    socket.write_all(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut seen = one(&mut socket).await;
    while !seen.contains("first") {
        seen.push_str(&one(&mut socket).await);
    }
    let mut byte = [0; 1];
    assert!(timeout(SHORT * 3, socket.read(&mut byte)).await.is_err(), "closed");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_closed() {
    let host = start(Limits { write_stall: SHORT, ..limits() }).await;
    let mut socket = host.connect().await;
    socket.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    while host.handle.connections() > 0 || begun.elapsed() < SHORT / 2 {
        assert!(begun.elapsed() < SOON, "still open");
        let _pause = timeout(SHORT / 10, std::future::pending::<()>()).await;
    }
}

#[tokio::test]
async fn an_unread_body_does_not_destroy_its_answer() {
    let host = start(limits()).await;
    // More than the kernel holds on its way: a sender that reads only once all is sent.
    for length in [200 * 1024, 12 << 20] {
        let mut socket = host.connect().await;
        let head = format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b'x'; length]).await.unwrap();
        assert_eq!(status(&rest(&mut socket).await), 200);
    }
}
