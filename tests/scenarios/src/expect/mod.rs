//! What a script expects. Every expectation is waited for, within a bound; `settle` before it makes sure
//! that nothing more comes.
//!
//! | after `expect` | what must come true |
//! |---|---|
//! | `run WORKFLOW STATUS [count=N] [event=ID] [of=GUEST] [stamp=] [output=JSON] [error=TEXT]` | so many runs (one) are like this |
//! | `runs N`, `events N` | so many in all |
//! | `step WORKFLOW STEP STATUS [attempts=N] [least=N] [error=TEXT] [woken-by=timer]` | the step of the workflow's only run is like this |
//! | `at-once WORKFLOW STEP N` | so many attempts of that step went on at the same time, at most and in fact |
//! | `mail to=ADDRESS count=N [subject=TEXT]`, `stripe customers=N subscriptions=N` | the providers have done this |
//! | `requests PROVIDER [path=] count=N`, or `least=N` | so many came there |
//! | `plugin NAME STATE [reason=TEXT] [serves=GUEST] [stamp=]` | the folder's file is like this |
//! | `rejection REASON [id=]` | a refused delivery is recorded |
//! | `traces TEXT on-disk\|in-answers none\|some` | the text is in the host's files (data, backups, logs), or in what its API answers, or is not, in any form |
//! | `accepted` | every event that a flood got accepted is there |

mod host;
mod providers;
mod runs;

use anyhow::{Result, bail};

use crate::line::Line;
use crate::stage::Stage;

/// `expect …`
pub(crate) async fn expect(stage: &Stage, line: &mut Line) -> Result<()> {
    match line.word("what is expected")?.as_str() {
        "run" => runs::run(stage, line).await,
        "runs" => runs::count(stage, line).await,
        "step" => runs::step(stage, line).await,
        "at-once" => runs::at_once(stage, line).await,
        "events" => host::events(stage, line).await,
        "plugin" => host::plugin(stage, line).await,
        "rejection" => host::rejection(stage, line).await,
        "accepted" => host::accepted(stage).await,
        "traces" => host::traces(stage, line).await,
        "mail" => providers::mail(stage, line).await,
        "stripe" => providers::stripe(stage, line).await,
        "requests" => providers::requests(stage, line).await,
        other => bail!("there is nothing called {other} to expect"),
    }
}
