//! The configuration that hosts under test are started with.

use std::net::SocketAddr;

/// The signing secret of both sources.
pub const SECRET: &str = "whsec_c3RlcHdlbGwtdGVzdHMtc2lnbi13aXRoLXRoaXM=";

/// Where hosts under test find it.
const SECRET_VARIABLE: &str = "TEST_WEBHOOK_SECRET";

/// The environment of hosts under test, and of commands about them.
pub(crate) const VARIABLES: [(&str, &str); 3] =
    [(SECRET_VARIABLE, SECRET), ("TEST_RESEND_KEY", "re_test"), ("TEST_STRIPE_KEY", "sk_test")];

/// A configuration as text.
#[derive(Clone, Debug)]
pub struct Config {
    sources: String,
    grants: String,
    more: String,
}

impl Config {
    /// The sources `clerk` (`clerk/`) and `test` (`test/`); nothing is granted.
    pub fn new() -> Self {
        let source = |name: &str, kind: &str| {
            format!(
                "[sources.{name}]\nkind = \"{kind}\"\nprefix = \"{name}/\"\nsecrets = [\"env:{SECRET_VARIABLE}\"]\n"
            )
        };
        let sources = source("clerk", "clerk") + &source("test", "svix");
        Self { sources, grants: String::new(), more: String::new() }
    }

    /// Grants the example workflows the emulators at this address in the place of the providers.
    pub fn with_emulators(mut self, emulators: SocketAddr) -> Self {
        for (plugin, provider) in [("welcome-email", RESEND), ("drip-check-in", RESEND), ("create-trial", STRIPE)] {
            self.grants += &provider.grant(plugin, emulators);
        }
        self
    }

    /// Adds TOML at the end.
    pub fn add(&mut self, text: &str) {
        self.more += text;
        self.more.push('\n');
    }

    /// The file's text.
    pub fn text(&self) -> String {
        // A file that is gone is gone at once, unless the script is about that.
        let plugins = if self.more.contains("[plugins]") { "" } else { "[plugins]\nremoval_grace = \"0s\"\n" };
        format!("{}{}{plugins}{}", self.sources, self.grants, self.more)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// What a plugin has to be granted to reach a provider.
struct Provider {
    path: &'static str,
    base: &'static str,
    secret: &'static str,
    key: &'static str,
}

const RESEND: Provider =
    Provider { path: "resend", base: "RESEND_BASE_URL", secret: "RESEND_API_KEY", key: "TEST_RESEND_KEY" };
const STRIPE: Provider =
    Provider { path: "stripe", base: "STRIPE_BASE_URL", secret: "STRIPE_API_KEY", key: "TEST_STRIPE_KEY" };

impl Provider {
    fn grant(&self, plugin: &str, at: SocketAddr) -> String {
        let Self { path, base, secret, key } = self;
        format!(
            "[grants.{plugin}]\nhosts = [\"http://{at}\"]\nallow_private = true\n\
             vars = {{ {base} = \"http://{at}/{path}\" }}\nsecrets = {{ {secret} = \"env:{key}\" }}\n"
        )
    }
}
