//! The control API, the outbox pages, and the emulators as a process would run them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use std::time::Duration;

use serde_json::json;
use stepwell_dev::emulators::Service;
use support::{Call, Desk, START_MS, options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const MAIL: &str = r#"{"from":"hi@acme.test","to":"a@b.test","subject":"<b>Hello</b>","html":"<script>alert(1)</script><p style='color:red'>Hi \"you\"</p>","text":"Hi"}"#;

#[tokio::test]
async fn faults_are_put_listed_counted_and_cleared() {
    let desk = Desk::new();
    let put = desk.control("PUT", "/faults", r#"{"provider":"resend","status":429,"retry_after":3,"count":2}"#).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let both = r#"[{"provider":"stripe","latency_ms":5},{"provider":"stripe","drop_connection":"after"}]"#;
    assert_eq!(desk.control("PUT", "/faults", both).await.body["faults"].as_array().unwrap().len(), 3);
    assert_eq!(desk.send(Call::mail().body(MAIL)).await.status, 429);
    let active = desk.control("GET", "/faults", "").await;
    assert_eq!((&active.body["faults"][0]["hits"], &active.body["faults"][0]["count"]), (&json!(1), &json!(1)));
    assert_eq!(desk.control("DELETE", "/faults", "").await.status, 204);
    assert_eq!(desk.send(Call::mail().body(MAIL)).await.status, 200);
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    for body in [
        r#"{"provider":"resend"}"#,
        r#"{"provider":"resend","status":200}"#,
        r#"{"provider":"resend","status":500,"drop_connection":"after"}"#,
        r#"{"provider":"resend","latency_ms":300001}"#,
        r#"{"provider":"resend","status":500,"count":0}"#,
        r#"{"provider":"clerk","status":500}"#,
        r#"{"provider":"resend","status":500,"sticky":true}"#,
        "[1]",
    ] {
        let answer = desk.control("PUT", "/faults", body).await;
        assert!(answer.status == 400 && answer.body["error"].is_string(), "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn requests_clock_outbox_and_state_are_told_and_moved() {
    let desk = Desk::new();
    desk.send(Call::mail().key("k").body(MAIL)).await;
    desk.send(Call::stripe("POST", "/v1/customers").body("name=A")).await;
    let log = desk.control("GET", "/requests?after=1", "").await;
    assert_eq!(log.body["requests"].as_array().unwrap().len(), 1);
    let row = &log.body["requests"][0];
    assert_eq!(
        (&row["provider"], &row["path"], &row["status"], &row["executed"]),
        (&json!("stripe"), &json!("/v1/customers"), &json!(200), &json!(true))
    );
    assert!(!log.text.contains("sk_test"), "a key in the log");

    assert_eq!(desk.control("POST", "/clock", r#"{"advance_ms":5}"#).await.body["now_ms"], START_MS + 5);
    assert_eq!(desk.control("POST", "/clock", r#"{"now_ms":7000}"#).await.body["now_ms"], 7000);
    assert_eq!(desk.control("POST", "/clock", "{}").await.status, 400);

    let outbox = desk.control("GET", "/outbox", "").await;
    assert_eq!(
        (&outbox.body["mails"][0]["to"][0], &outbox.body["customers"][0]["name"]),
        (&json!("a@b.test"), &json!("A"))
    );
    assert_eq!(desk.control("DELETE", "/state", "").await.status, 204);
    let empty = desk.control("GET", "/outbox", "").await;
    assert_eq!(empty.body, json!({"mails": [], "mails_let_go": 0, "customers": [], "subscriptions": []}));
}

#[tokio::test]
async fn a_change_needs_json_so_that_no_web_page_can_make_it() {
    let desk = Desk::new();
    let call = Call::new("POST", "/_control/clock").header("content-type", "text/plain").body(r#"{"advance_ms":5}"#);
    assert_eq!(desk.send(call).await.status, 415);
}

async fn raw(addr: std::net::SocketAddr, request: String) -> String {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(10), socket.read_to_end(&mut bytes)).await.expect("still open").unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn mail_request() -> String {
    let head = "POST /resend/emails HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: t\r\nAuthorization: Bearer re_t\r\nContent-Type: application/json\r\nConnection: close\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{MAIL}", MAIL.len())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn the_service_drops_connections_and_shows_the_outbox_without_scripts() {
    let service = Service::bind("127.0.0.1:0".parse().unwrap(), options()).await.unwrap();
    let (addr, handle, emulators) = (service.local_addr(), service.handle(), service.emulators());
    assert_eq!(service.resend_base_url(), format!("http://{addr}/resend"));
    let running = tokio::spawn(service.run());

    let fault = r#"{"provider":"resend","drop_connection":"after","count":1}"#;
    let put = format!(
        "PUT /_control/faults HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{fault}",
        fault.len()
    );
    assert!(raw(addr, put).await.starts_with("HTTP/1.1 200"));
    assert_eq!(raw(addr, mail_request()).await, "");
    assert!(raw(addr, mail_request()).await.starts_with("HTTP/1.1 200"));

    let index = raw(addr, get("/outbox")).await;
    assert!(index.contains("Mails<span class=\"count\">2<") && index.contains("&lt;b&gt;Hello&lt;/b&gt;"), "{index}");
    let id = emulators.outbox().mails[0].id.clone();
    let page = raw(addr, get(&format!("/outbox/mails/{id}"))).await;
    assert!(page.contains(r#"sandbox="""#) && page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("&quot;you&quot;"), "{page}");
    assert!(raw(addr, get("/outbox/style.css")).await.contains("text/css"));
    assert!(raw(addr, get("/outbox/mails/none")).await.starts_with("HTTP/1.1 404"));
    assert!(raw(addr, get("/outbox").replace("localhost", "evil.example")).await.starts_with("HTTP/1.1 421"));

    handle.drain();
    assert_eq!(timeout(Duration::from_secs(10), running).await.unwrap().unwrap().cut, 0);
}
