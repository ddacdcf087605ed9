//! Restate as two processes: its server, and our workflows as its service. On free ports of this machine, in
//! a directory of its own, in its default configuration but for telemetry, which is off.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stepwell_harness::{Connection, Home, Process, Request, Seen, once, until};

use crate::client::bare;
use crate::cost::Meter;
use crate::process::{self, Memory};
use crate::report::Report;

/// From a start to the first answer: it may have to apply its log again.
const START_MAX: Duration = Duration::from_secs(120);
/// Its own bound for an orderly stop is a minute.
const STOP_MAX: Duration = Duration::from_secs(90);

/// Tells its version, and fails where it is not there.
pub(super) fn tell(report: &mut Report) -> Result<()> {
    let output =
        Command::new(named("SERVER")?).arg("--version").output().context("Restate's server cannot be started")?;
    let version = String::from_utf8_lossy(&output.stdout);
    let version = version.split_whitespace().nth(1).unwrap_or("of unknown version");
    named("SERVICE")?;
    report.fact("beside", format!("restate-server {version}, with a service of its Rust SDK"));
    Ok(())
}

/// What `cargo xtask bench` has brought.
fn named(what: &str) -> Result<PathBuf> {
    let name = format!("STEPWELL_BENCH_RESTATE_{what}");
    let path = std::env::var_os(&name).map(PathBuf::from);
    path.filter(|path| path.is_file())
        .with_context(|| format!("{name} names no file: run this by `cargo xtask bench -- --beside restate`"))
}

/// How a run is started and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One request, answered when the run has ended.
    Call,
    /// A request that is answered once the run is accepted, and another that attaches to it until it has ended.
    Send,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::Call, Self::Send];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Send => "send",
        }
    }
}

/// The two processes, and where they listen.
#[derive(Debug)]
pub(super) struct Restate {
    home: Home,
    /// Ports of the service, the ingress, the admin API, and of nodes among themselves.
    ports: [u16; 4],
    service: Process,
    server: Option<Process>,
}

impl Restate {
    /// Starts both with nothing stored, and has the server know the service.
    pub(super) async fn start() -> Result<Self> {
        let home = Home::new()?;
        let ports = free_ports()?;
        let mut command = Command::new(named("SERVICE")?);
        command.arg(local(ports[0]).to_string());
        let service = Process::start("Restate's service", &mut command, &home.path().join("service.log"))?;
        let mut restate = Self { home, ports, service, server: None };
        restate.service.line("the service is ready", START_MAX, |line| (line == "ready").then_some(())).await?;
        restate.start_server().await?;
        let known = Request::json("POST", "/deployments", &json!({"uri": format!("http://{}", local(ports[0]))}));
        let answer = once(restate.admin(), &known).await?;
        ensure!(answer.status == 201, "the service was not taken: {} {}", answer.status, answer.text());
        restate.first_run().await?;
        Ok(restate)
    }

    /// Starts the server, on the data that it has; answers how long it took until its admin API was there.
    pub(super) async fn start_server(&mut self) -> Result<Duration> {
        let from = Instant::now();
        let server = self.spawn()?;
        self.server = Some(server);
        let admin = self.admin();
        let ready = until("Restate's admin API", START_MAX, async || {
            self.lives()?;
            Ok(match once(admin, &Request::get("/health")).await {
                Ok(answer) if answer.status == 200 => Seen::This(()),
                Ok(answer) => Seen::NotYet(format!("answered {}", answer.status)),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        });
        ready.await?;
        Ok(from.elapsed())
    }

    fn spawn(&self) -> Result<Process> {
        let mut command = Command::new(named("SERVER")?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RESTATE_")) {
            command.env_remove(name);
        }
        let [_, ingress, admin, node] = self.ports.map(|port| port.to_string());
        command.env("RESTATE_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "1");
        command.env("RESTATE_INGRESS__BIND_PORT", ingress).env("RESTATE_ADMIN__BIND_PORT", admin);
        command.args(["--no-logo", "--listen-mode", "tcp", "--bind-ip", "127.0.0.1", "--bind-port", &node]);
        command.arg("--base-dir").arg(self.home.data()).current_dir(self.home.path());
        Process::start("Restate's server", &mut command, &self.home.path().join("server.log"))
    }

    /// Fails where the server has ended, with what it said last.
    fn lives(&mut self) -> Result<()> {
        let server = self.server.as_mut().context("the server does not run")?;
        let ended = server.ended()?;
        ensure!(ended.is_none(), "Restate's server has ended ({ended:?}); {}", server.last_lines());
        Ok(())
    }

    /// Waits until a run of three steps is done.
    pub(super) async fn first_run(&mut self) -> Result<()> {
        let (ingress, request) = (self.ingress(), call("three", &bare("n", 0)));
        until("Restate's first run", START_MAX, async || {
            self.lives()?;
            Ok(match once(ingress, &request).await {
                Ok(answer) if answer.status == 200 => Seen::This(()),
                Ok(answer) => Seen::NotYet(format!("answered {}: {}", answer.status, answer.text())),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        })
        .await
    }

    /// Where runs are started.
    pub(super) fn ingress(&self) -> SocketAddr {
        local(self.ports[1])
    }

    fn admin(&self) -> SocketAddr {
        local(self.ports[2])
    }

    /// Both processes.
    pub(super) fn ids(&self) -> Result<Vec<u32>> {
        Ok(vec![self.server.as_ref().context("the server does not run")?.id(), self.service.id()])
    }

    /// Measures both from now on.
    pub(super) fn meter(&self) -> Result<Meter> {
        Meter::of(self.ids()?, self.home.path().join("perf"))
    }

    /// The memory of both.
    pub(super) fn memory(&self) -> Result<Memory> {
        Memory::of_all(&self.ids()?)
    }

    /// What its directory takes, in kilobytes; it gives its files their sizes ahead, so ask once it has stopped.
    pub(super) fn disk_kb(&self) -> Result<f64> {
        process::disk_kb(&self.home.data())
    }

    /// How many runs of a handler its SQL shows with this status.
    pub(super) async fn count(&self, handler: &str, status: &str) -> Result<usize> {
        let query = format!(
            "SELECT count(*) AS n FROM sys_invocation WHERE target_handler_name = '{handler}' AND status = '{status}'"
        );
        let mut request = Request::json("POST", "/query", &json!({"query": query}));
        request.headers.push(("accept", "application/json".to_owned()));
        let answer = once(self.admin(), &request).await?;
        ensure!(answer.status == 200, "its SQL answered {}: {}", answer.status, answer.text());
        let number = answer.value().pointer("/rows/0/n").and_then(Value::as_u64);
        Ok(usize::try_from(number.with_context(|| format!("no count: {}", answer.text()))?)?)
    }

    /// Kill -9 of the server; the service lives on.
    pub(super) fn crash(&mut self) -> Result<()> {
        self.server.as_mut().context("the server does not run")?.kill()?;
        self.server = None;
        Ok(())
    }

    /// Stops the server in good order.
    pub(super) async fn stop_server(&mut self) -> Result<()> {
        let server = self.server.as_mut().context("the server does not run")?;
        server.terminate()?;
        server.end(STOP_MAX).await?;
        self.server = None;
        Ok(())
    }
}

/// One run of a handler, to its end.
pub(super) async fn run(connection: &mut Connection, way: Way, (handler, data): (&str, &Value)) -> Result<()> {
    let answer = match way {
        Way::Call => connection.send(&call(handler, data)).await?,
        Way::Send => {
            let id = send(connection, (handler, data)).await?;
            connection.send(&Request::get(format!("/restate/invocation/{id}/attach"))).await?
        }
    };
    ensure!(answer.status == 200, "{handler} was answered {}: {}", answer.status, answer.text());
    Ok(())
}

/// Starts a run; answers its id once it is accepted.
pub(super) async fn send(connection: &mut Connection, (handler, data): (&str, &Value)) -> Result<String> {
    let answer = connection.send(&Request::json("POST", format!("/Bench/{handler}/send"), data)).await?;
    ensure!(answer.status == 202, "{handler} was answered {}: {}", answer.status, answer.text());
    let id = answer.value().get("invocationId").and_then(Value::as_str).map(str::to_owned);
    id.with_context(|| format!("no id: {}", answer.text()))
}

fn call(handler: &str, data: &Value) -> Request {
    Request::json("POST", format!("/Bench/{handler}"), data)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Held together, so that they differ, and let go.
fn free_ports() -> Result<[u16; 4]> {
    let bind = || TcpListener::bind(local(0)).context("no free port");
    let listeners = [bind()?, bind()?, bind()?, bind()?];
    let mut ports = [0; 4];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
