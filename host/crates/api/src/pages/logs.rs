//! What a run has logged. Text of guests: shown as it is, and never as markup.

use maud::{Markup, html};
use stepwell_core::Run;
use stepwell_core::log::Line;

use super::words;
use crate::limits::LINES_SHOWN_MAX;

/// The newest lines, in their order; nothing for a run that has logged nothing.
pub(super) fn section(run: &Run, lines: &[Line]) -> Markup {
    let hidden = lines.len().saturating_sub(LINES_SHOWN_MAX);
    let all = format!("/api/v1/runs/{}/logs", run.id);
    html! {
        @if !run.logged.is_nothing() {
            section aria-labelledby="log" {
                h2 #log { "Log" span class="count" { (run.logged.lines) } }
                @if hidden > 0 {
                    p class="muted" { "The newest " (LINES_SHOWN_MAX) " lines. " a href=(all) { "All of them as JSON" } }
                }
                ol class="log" tabindex="0" aria-labelledby="log" { @for it in lines.iter().skip(hidden) { (line(it)) } }
                @if run.logged.dropped > 0 {
                    p class="muted" { (run.logged.dropped) " more lines were not kept: the run has logged more than there is room for." }
                }
            }
        }
    }
}

fn line(line: &Line) -> Markup {
    html! {
        li class=(line.level) {
            time datetime=(line.at) title=(line.at) { (words::clock_ms(line.at)) }
            span class="level" { (line.level) }
            span class="place" {
                @if let Some(step) = &line.step {
                    (step) @if let Some(attempt) = line.attempt.filter(|attempt| *attempt > 1) { " ×" (attempt) }
                }
            }
            span class="text" {
                (line.message)
                @for (name, value) in &line.fields { " " span class="field" { span class="name" { (name) "=" } (value) } }
            }
        }
    }
}
