//! Secrets that an operator replaces while the host runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Config, Delivery, Host, Reader, SECRET, Seen, command, until};

/// Another signing secret.
const OTHER: &str = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzLXg=";

struct World {
    host: Host,
    sent: usize,
}

impl World {
    async fn new() -> Result<Self> {
        let mut config = Config::new();
        let mut host = Host::new(Config::new())?;
        let home = host.home.path().display().to_string();
        config.add(&format!(
            "[sources.billing]\nkind = \"clerk\"\nsecrets = [\"file:{home}/signing\"]\n\
             [grants.welcome-email]\nhosts = [\"https://api.resend.com\"]\nsecrets = {{ RESEND_API_KEY = \"file:{home}/key\" }}"
        ));
        host.config = config;
        let world = Self { host, sent: 0 };
        world.put("signing", SECRET)?;
        world.put("key", "re_first")?;
        let mut world = world;
        world.host.start().await?;
        Ok(world)
    }

    /// Puts a secret where the configuration says it is.
    fn put(&self, file: &str, secret: &str) -> Result<()> {
        let path = self.host.home.path().join(file);
        fs::write(&path, secret)?;
        Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
    }

    /// What a delivery is answered that is signed with this secret.
    async fn delivered(&mut self, secret: &str) -> Result<u16> {
        self.sent += 1;
        let delivery = Delivery::clerk("user.created", &format!("msg_{}", self.sent), "ada")?;
        let delivery = Delivery { source: "billing".to_owned(), secret: secret.to_owned(), ..delivery };
        Ok(delivery.send(self.host.intake()?).await?.status)
    }

    /// `stepwell secrets reload`: its exit code, and all that it says.
    async fn reload(&self) -> Result<(Option<i32>, String)> {
        let url = format!("http://{}", self.host.api()?.0);
        let args = ["secrets", "reload"].map(str::to_owned);
        let told = command(&args, &url, self.host.home.path(), Reader::Whole).await?;
        Ok((told.code, told.stdout + &told.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_replaced_while_the_host_runs_and_bad_ones_are_not() -> Result<()> {
    let mut world = World::new().await?;
    ensure!((world.delivered(SECRET).await?, world.delivered(OTHER).await?) == (202, 401));
    let (code, said) = world.reload().await?;
    ensure!(code == Some(0) && !said.contains("replaced"), "{said}");

    // Nothing is read again because a file changes.
    world.put("signing", OTHER)?;
    world.put("key", "re_second")?;
    ensure!((world.delivered(SECRET).await?, world.delivered(OTHER).await?) == (202, 401));
    let (code, said) = world.reload().await?;
    for place in ["sources.billing.secrets.1", "grants.welcome-email.secrets.RESEND_API_KEY"] {
        ensure!(code == Some(0) && said.contains(&format!("replaced {place}")), "{said}");
    }
    ensure!((world.delivered(SECRET).await?, world.delivered(OTHER).await?) == (401, 202));

    // What is none, or cannot be had, leaves the old one in force; what is fine beside it is replaced.
    for (bad, reason) in [("whsec_not base64", "not base64"), ("", "is empty")] {
        world.put("signing", bad)?;
        world.put("key", &format!("re_{}", bad.len()))?;
        let (code, said) = world.reload().await?;
        ensure!(code == Some(1) && said.contains(reason) && said.contains("old values go on"), "{said}");
        ensure!(said.contains("replaced grants.welcome-email") && !said.contains("re_"), "{said}");
        ensure!((world.delivered(SECRET).await?, world.delivered(OTHER).await?) == (401, 202));
    }
    world.put("key", "two\nlines")?;
    ensure!(world.reload().await?.1.contains("no header may have"));

    // By a signal too; what came of it is in the log, and no value is.
    world.put("signing", SECRET)?;
    world.host.process()?.hang_up()?;
    until("the signal to be taken", CONDITION_MAX, async || {
        let status = world.delivered(SECRET).await?;
        Ok(if status == 202 { Seen::This(()) } else { Seen::NotYet(status.to_string()) })
    })
    .await?;
    ensure!(world.delivered(OTHER).await? == 401);
    let log = world.host.process()?.log();
    ensure!(log.contains("secrets were read again") && log.contains("its old value goes on"), "{log}");
    for secret in [SECRET, OTHER, "re_first", "re_second", "two\\nlines"] {
        ensure!(!log.contains(secret), "{secret} is in the log");
    }
    Ok(())
}
