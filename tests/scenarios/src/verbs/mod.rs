//! What the verbs of a script do.

mod breakage;
mod commands;
mod deliveries;
mod life;
mod plugins;
mod providers;
mod time;

use anyhow::{Result, bail};

pub(crate) use plugins::with_stamp;

use crate::expect;
use crate::line::Line;
use crate::stage::Stage;

/// Performs one line.
pub(crate) async fn perform(stage: &mut Stage, mut line: Line) -> Result<()> {
    let line = &mut line;
    match line.verb.as_str() {
        "plugin" => plugins::plugin(stage, line)?,
        "component" => plugins::component(stage, line)?,
        "unplug" => plugins::unplug(stage, line)?,
        "plugin-mode" => plugins::mode(stage, line)?,
        "damaged-plugin" => plugins::damaged(stage, line)?,
        "no-plugin-folder" => std::fs::remove_dir_all(stage.host.home.plugins())?,
        "command" => commands::run(stage, line).await?,
        "config" => stage.host.config.add(&line.block),
        "write" => std::fs::write(stage.host.home.path().join(line.word("a file's name")?), &line.block)?,
        "start" => life::start(stage, line).await?,
        "another" => life::another(stage, line).await?,
        "crash" => stage.host.crash()?,
        "restart" => life::restart(stage).await?,
        "stop" => life::stop(stage, line).await?,
        "dies" => life::dies(stage, line).await?,
        "freeze" => stage.host.process()?.freeze()?,
        "thaw" => stage.host.process()?.thaw()?,
        "webhook" => deliveries::webhook(stage, line).await?,
        "event" => deliveries::event(stage, line).await?,
        "flood" => deliveries::flood(stage, line).await?,
        "fault" => providers::fault(stage, line).await?,
        "faults" => providers::faults(stage, line).await?,
        "advance" => time::advance(stage, line).await?,
        "settle" => time::settle(stage).await?,
        "wake" => life::wish(stage, line, "wake-now").await?,
        "cancel" => life::wish(stage, line, "cancel").await?,
        "disk" => breakage::disk(stage, line).await?,
        "data-dir" => breakage::data_dir(stage, line)?,
        "lose-components" => breakage::lose_components(stage)?,
        "damage-file" => breakage::damage_file(stage, line)?,
        "damage-database" => breakage::damage_database(stage, line)?,
        "damage-log" => breakage::damage_log(stage)?,
        "expect" => expect::expect(stage, line).await?,
        other => bail!("there is no verb {other}"),
    }
    line.done()
}
