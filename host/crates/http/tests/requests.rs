//! What a request must look like: one Host, one framing, a bounded head. Raw bytes in,
//! raw bytes out, since no decent client would send these.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use axum::Router;
use axum::routing::get;
use stepwell_http::{AllowedHosts, Limits};
use support::{one, rest, start, start_with, status};
use tokio::io::AsyncWriteExt;

async fn check(bytes: &str, expected: u16) {
    let host = start(Limits::default()).await;
    let answer = host.exchange(bytes).await;
    assert_eq!(status(&answer), expected, "{bytes:?} -> {answer:?}");
}

#[tokio::test]
async fn exactly_one_host_is_needed() {
    check("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200).await;
    check("GET / HTTP/1.0\r\n\r\n", 200).await;
    check("GET / HTTP/1.1\r\n\r\n", 400).await;
    check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400).await;
    check("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400).await;
    check("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400).await;
    check("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400).await;
    check("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400).await;
    check("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400).await;
    check("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200).await;
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let smuggled = "0\r\n\r\nGET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "POST /length HTTP/1.1\r\nHost: a\r\n";
    check(&format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"), 400).await;
    check(&format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{smuggled}"), 400).await;
    check(&format!("{head}Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 400).await;
    check(&format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\na"), 400).await;
    check(&format!("{head}Content-Length: +1\r\n\r\na"), 400).await;
    check(&format!("{head}Transfer-Encoding: identity\r\n\r\na"), 400).await;
}

#[tokio::test]
async fn nothing_behind_an_ambiguous_request_is_answered() {
    let host = start(Limits::default()).await;
    let request = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = host.exchange(request).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_chunked_body_is_read_and_its_connection_closed() {
    let host = start(Limits::default()).await;
    let answer = host
        .exchange("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("connection: close") && answer.ends_with("\r\n\r\n3"), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_bodys_end_says_that_the_connection_closes() {
    let host = start(Limits::default()).await;
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut socket = host.connect().await;
        let head = format!("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n{expect}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = one(&mut socket).await;
        assert!(status(&answer) == 200 && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_wanted_and_its_connection_is_kept() {
    let host = start(Limits::default()).await;
    let mut socket = host.connect().await;
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    for _ in 0..2 {
        socket.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(one(&mut socket).await, "HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(b"ab").await.unwrap();
        let answer = one(&mut socket).await;
        assert!(answer.ends_with("\r\n\r\n2") && !answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_sender_that_has_closed_its_half_is_answered() {
    let host = start(Limits::default()).await;
    let mut socket = host.connect().await;
    socket.write_all(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(status(&rest(&mut socket).await), 200);
}

#[tokio::test]
async fn the_head_is_bounded_in_bytes_and_in_headers() {
    let headers = |n: usize| (0..n).map(|i| format!("x-{i}: 1\r\n")).collect::<String>();
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    check(&format!("{head}{}\r\n", headers(98)), 200).await;
    check(&format!("{head}{}\r\n", headers(99)), 431).await;
    check(&format!("{head}x: {}\r\n\r\n", "a".repeat(15 * 1024)), 200).await;
    check(&format!("{head}x: {}\r\n\r\n", "a".repeat(17 * 1024)), 431).await;
    check(&format!("{head}x: {}", "a".repeat(100 * 1024)), 431).await;
}

#[tokio::test]
async fn requests_in_a_row_and_in_one_packet_are_answered() {
    let host = start(Limits::default()).await;
    let mut socket = host.connect().await;
    for _ in 0..3 {
        socket.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").await.unwrap();
        assert!(one(&mut socket).await.ends_with("\r\n\r\n2"));
    }
    let get = "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = host.exchange(&format!("{get}{get}{last}")).await;
    assert_eq!(answer.matches("127.0.0.1").count(), 3, "{answer}");
}

#[tokio::test]
async fn a_handlers_panic_is_an_answer_and_a_drop_is_none() {
    let host = start(Limits::default()).await;
    assert_eq!(status(&host.get("/panic").await), 500);
    assert_eq!(host.get("/drop").await, "");
    assert_eq!(status(&host.get("/").await), 200);
}

#[tokio::test]
async fn a_foreign_name_is_misdirected() {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let host = start_with(Limits::default(), AllowedHosts::loopback().protect(router)).await;
    for (name, expected) in
        [("localhost:8401", 200), ("[::1]:1", 200), ("evil.example", 421), ("localhost.evil.example", 421)]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&host.exchange(&request).await), expected, "{name}");
    }
    let unknown_route = "GET /nowhere HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&host.exchange(unknown_route).await), 421);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let host = start(Limits::default()).await;
    let addr = host.handle.local_addr();
    let error = stepwell_http::Server::bind(addr, Limits::default()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&addr.to_string()) && text.contains("in use"), "{text}");
}
