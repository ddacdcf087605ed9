//! Caps and drain: many slow peers never keep a good one out, and the end is in time.
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
use support::{SHORT, SOON, one, rest, start, status};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

async fn half_sent(host: &support::Running, count: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = host.connect().await;
        socket.write_all(b"POST /length HTTP/1.1\r\nHo").await.unwrap();
        sockets.push(socket);
    }
    sockets
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "{what}");
        let _pause = timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
    }
}

#[tokio::test]
async fn behind_200_half_sent_requests_a_good_one_is_answered_and_they_are_closed() {
    let host = start(Limits { header_read: Duration::from_secs(1), ..Limits::default() }).await;
    let mut slow = half_sent(&host, 200).await;
    let begun = Instant::now();
    assert_eq!(status(&host.get("/").await), 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for socket in &mut slow {
        assert_eq!(rest(socket).await, "");
    }
    until("connections are given back", || host.handle.connections() == 0).await;
}

#[tokio::test]
async fn idle_connections_over_loopback_keep_no_other_out() {
    let host = start(Limits::default()).await;
    let mut idle = Vec::new();
    for _ in 0..Limits::default().connections_per_peer_max + 50 {
        idle.push(host.connect().await);
    }
    assert_eq!(status(&host.get("/").await), 200);
}

#[tokio::test]
async fn beyond_a_peers_cap_the_answer_is_a_quick_503() {
    let host = start(Limits { connections_per_peer_max: 2, loopback_exempt: false, ..Limits::default() }).await;
    let slow = half_sent(&host, 2).await;
    let refused = host.get("/").await;
    assert_eq!(status(&refused), 503);
    assert!(refused.contains("retry-after: ") && refused.contains("connections_per_peer_max"), "{refused}");
    drop(slow);
    until("connections are given back", || host.handle.connections() == 0).await;
    assert_eq!(status(&host.get("/").await), 200);
}

#[tokio::test]
async fn beyond_the_total_the_answer_is_a_quick_503_for_loopback_too() {
    let host =
        start(Limits { connections_max: 3, connections_per_peer_max: 1, loopback_exempt: true, ..Limits::default() })
            .await;
    let _slow = half_sent(&host, 3).await;
    assert!(host.get("/").await.contains("connections_max"));
}

#[tokio::test]
async fn refused_peers_that_linger_do_not_stall_accepting() {
    let host = start(Limits { connections_max: 1, ..Limits::default() }).await;
    let first = half_sent(&host, 1).await;
    let _refused = half_sent(&host, 300).await;
    drop(first);
    until("the place is given back", || host.handle.connections() == 0).await;
    assert_eq!(status(&host.get("/").await), 200);
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_lets_requests_finish() {
    let host = start(Limits::default()).await;
    let mut idle = host.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut idle).await), 200);
    let mut busy = host.connect().await;
    busy.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    until("both are in", || host.handle.connections() == 2).await;
    // The handler must have begun: it is then that a drain must wait for it.
    let _pause = timeout(SHORT, std::future::pending::<()>()).await;

    host.handle.drain();
    assert_eq!(rest(&mut idle).await, "");
    busy.write_all(b"b").await.unwrap();
    let answer = rest(&mut busy).await;
    assert!(status(&answer) == 200 && answer.ends_with('2'), "{answer}");
    assert_eq!(timeout(SOON, host.ended).await.unwrap().unwrap(), Drained { cut: 0 });
    assert!(TcpStream::connect(host.handle.local_addr()).await.is_err());
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end_in_time() {
    let host = start(Limits { drain: SHORT, ..Limits::default() }).await;
    let mut stream = host.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut stream).await), 200);
    host.handle.drain();
    assert_eq!(timeout(SOON, host.ended).await.unwrap().unwrap(), Drained { cut: 1 });
}
