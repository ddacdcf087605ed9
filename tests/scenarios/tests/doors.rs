//! Attacks on both doors of a real host: what is malformed, slow or too large is refused without cost, and nothing
//! that a stranger sends as a secret is in a log, at whatever level.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stepwell_harness::{Config, Host, Reader, command};

/// How long a refusal may take: less than any deadline of the host's.
const SOON: Duration = Duration::from_secs(5);

/// Sends these bytes and reads the head of what is answered, until nothing comes any more.
fn exchange(to: SocketAddr, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SOON))?;
    // A host that has refused already may close before all is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if answer.windows(4).any(|window| window == b"\r\n\r\n") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status of an answer; 0 where the connection was closed without one.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}").into_bytes()
}

async fn host(more: &str, filter: Option<&'static str>) -> Result<Host> {
    let mut config = Config::new();
    config.add(more);
    let mut host = Host::new(config)?;
    host.filter = filter;
    host.start().await?;
    Ok(host)
}

/// What is no request, and how it may be answered: 0 is a connection that is closed without a word.
fn malformed(post: &str) -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(20_000));
    let of = |headers: &str, body: &str| request(post, &format!("Content-Type: application/json\r\n{headers}"), body);
    vec![
        ("no host", b"GET /livez HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        ("two hosts", request("GET /livez", "Host: localhost\r\n", ""), &[400]),
        ("another host in the target", request("GET http://evil.example/livez", "", ""), &[400]),
        ("two lengths", of("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), &[400]),
        ("length and chunks", of("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400]),
        ("101 headers", request("GET /livez", &many, ""), &[431]),
        ("a header of 20 kB", request("GET /livez", &large, ""), &[431]),
        ("a gigabyte", of("Content-Length: 1073741824\r\n", "{"), &[413]),
        ("http/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[0, 400, 505]),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[0, 400]),
        ("a control character", request("GET /livez", "x: a\x00b\r\n", ""), &[0, 400]),
        ("a folded header", request("GET /livez", "x: a\r\n  b\r\n", ""), &[0, 400]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_at_both_doors() -> Result<()> {
    let host = host("", None).await?;
    for (door, post) in [(host.intake()?, "POST /webhooks/clerk"), (host.api()?.0, "POST /api/v1/events")] {
        for (name, bytes, allowed) in malformed(post) {
            let begun = Instant::now();
            let answer = exchange(door, &bytes)?;
            ensure!(allowed.contains(&status(&answer)), "{name} at {post}: {answer}");
            ensure!(begun.elapsed() < SOON, "{name} at {post} took {:?}", begun.elapsed());
        }
        ensure!(status(&exchange(door, &request("GET /livez", "", ""))?) == 200, "the host answers no more");
    }
    let packed = request("POST /webhooks/clerk", "Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}");
    ensure!(status(&exchange(host.intake()?, &packed)?) == 415, "a packed body");
    let stranger = b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    ensure!(status(&exchange(host.api()?.0, stranger)?) == 421, "another site's name");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_slow_connections_keep_nobody_out() -> Result<()> {
    let host = host("", None).await?;
    for (door, line) in [(host.intake()?, "POST /webhooks/clerk"), (host.api()?.0, "POST /api/v1/events")] {
        let head = format!("{line} HTTP/1.1\r\nHost: loc");
        let body = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{{"
        );
        let mut slow = Vec::new();
        for half in [head, body].iter().cycle().take(200) {
            let mut stream = TcpStream::connect(door)?;
            stream.write_all(half.as_bytes())?;
            slow.push(stream);
        }
        let begun = Instant::now();
        let answer = exchange(door, &request("GET /livez", "", ""))?;
        ensure!(status(&answer) == 200, "{line}: {answer}");
        ensure!(begun.elapsed() < Duration::from_secs(1), "{line}: it took {:?}", begun.elapsed());
    }
    Ok(())
}

/// What a stranger sends as a secret, wherever.
const HUSH: &str = "hush0hush1hush2hush3";

/// Requests that have it in every place there is: the line, and the headers.
fn telling(own: &str) -> Vec<(String, String)> {
    let token = format!("stepwell_{HUSH}");
    let runs = |header: String| ("GET /api/v1/runs".to_owned(), format!("{header}\r\n"));
    let bare = |line: String| (line, String::new());
    let webhook = format!(
        "svix-id: msg_1\r\nsvix-signature: v1,{HUSH}\r\nsvix-timestamp: {HUSH}\r\nAuthorization: Bearer {HUSH}\r\n\
         Content-Length: 20\r\n"
    );
    vec![
        runs(format!("Authorization: Bearer {token}")),
        runs(format!("Authorization: Bearer {own}")),
        runs(format!("Authorization: Basic {HUSH}")),
        runs(format!("Authorization: {HUSH}\r\nAuthorization: Bearer {HUSH}")),
        runs(format!("Proxy-Authorization: Bearer {HUSH}\r\nX-Api-Key: {HUSH}")),
        runs(format!("Cookie: stepwell_session={HUSH}; a={token}")),
        runs(format!("X-Request-Id: {token}")),
        runs(format!("Authorization: Bearer {}", HUSH.repeat(2_000))),
        runs(HUSH.to_owned()),
        bare(format!("GET /api/v1/runs?token={HUSH}")),
        bare(format!("GET /runs?token={token}")),
        bare(format!("GET /api/v1/{token}")),
        (format!("POST /webhooks/clerk?token={HUSH}"), webhook),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_as_a_secret_is_in_a_log() -> Result<()> {
    let mut host = host("[auth]\nrequire_token = true", Some("trace")).await?;
    let log = host.home.path().join("host.log");
    let first = std::fs::read_to_string(&log)?;
    // The one line that is meant to have a token: it is shown once, to whoever starts the host first.
    let own = first.split_whitespace().find(|word| word.starts_with("stepwell_")).context("the first token")?;
    for _ in 0..20 {
        for (line, headers) in telling(own) {
            for door in [host.intake()?, host.api()?.0] {
                exchange(door, &request(&line, &format!("{headers}Connection: close\r\n"), HUSH))?;
            }
        }
        let form = format!("token=stepwell_{HUSH}");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let headers = format!("{kind}\r\nContent-Length: {}\r\n", form.len());
        exchange(host.api()?.0, &request("POST /login", &headers, &form))?;
    }
    host.stop().await?;
    let text = std::fs::read_to_string(&log)?;
    ensure!(text.contains("\"TRACE\"") && text.contains("\"status\":401"), "the log is not that of this storm");
    let found: Vec<&str> = text.lines().filter(|line| line.contains(HUSH)).collect();
    ensure!(found.is_empty(), "{} lines have a secret, such as {:?}", found.len(), found.first());
    ensure!(text.matches(own).count() == 1, "the first token is told more than once");
    for file in std::fs::read_dir(host.data_dir().join("audit"))? {
        let text = std::fs::read_to_string(file?.path())?;
        ensure!(!text.contains(HUSH) && text.len() < 100_000, "the audit log: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_managed_on_a_stopped_host_and_through_a_running_one() -> Result<()> {
    let mut host = host("", None).await?;
    let dir = host.home.path().to_owned();
    let data = host.data_dir().display().to_string();
    let run = async |url: &str, line: &str, code: i32| {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let told = command(&args, url, &dir, Reader::Whole).await?;
        ensure!(told.code == Some(code), "{line}: {told:?}");
        Ok((told.stdout, told.stderr))
    };
    let url = format!("http://{}", host.api()?.0);
    let (operate, _) = run(&url, "tokens create --name ops --scope operate --expires 1h", 0).await?;
    let (_, said) = run(&url, &format!("tokens list --data-dir {data}"), 1).await?;
    ensure!(said.contains("in use by process"), "{said}");
    host.stop().await?;
    let (admin, _) = run(&url, &format!("tokens create --name boss --scope admin --data-dir {data}"), 0).await?;
    let (operate, admin) = (operate.trim(), admin.trim());
    host.config.add("[auth]\nrequire_token = true");
    host.start().await?;
    let url = format!("http://{}", host.api()?.0);
    run(&url, &format!("runs list --token {operate}"), 0).await?;
    let (_, said) = run(&url, &format!("tokens list --token {operate}"), 1).await?;
    ensure!(said.contains("needs the scope admin"), "{said}");
    run(&url, &format!("tokens revoke ops --token {admin}"), 0).await?;
    let (_, said) = run(&url, &format!("runs list --token {operate}"), 1).await?;
    ensure!(said.contains("demands a token"), "{said}");
    let (audit, _) = run(&url, &format!("audit list --output jsonl --token {admin}"), 0).await?;
    for part in ["\"offline\"", "tokens create", "boss (admin)", "DELETE /api/v1/tokens/{name}", "scope_missing"] {
        ensure!(audit.contains(part), "{part} is not in {audit}");
    }
    ensure!(!audit.contains(admin) && !audit.contains(operate), "{audit}");
    Ok(())
}
