//! Drives a guest's future: charges its CPU time, sees that it ends as its imports left it, and stops a
//! guest that waits for nothing the host knows of.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use stepwell_engine::executor::Exit;
use tokio::time::{Instant, Sleep};

use super::{Ending, Situation};
use crate::limits::IDLE_MAX;
use crate::threads::cpu_time;
use crate::ticker::Ticking;

/// What an execution may use.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) cpu_max: Duration,
    /// The bound's name, for the message.
    pub(crate) name: &'static str,
    pub(crate) ticking: Ticking,
}

/// Polls `guest` until it ends or is to be dropped; then it is dropped.
pub(crate) async fn drive<F: Future>(
    guest: F,
    budget: Budget,
    ending: Arc<Ending>,
    situation: Arc<Situation>,
) -> Result<F::Output, Exit> {
    let mut guest = pin!(guest);
    let mut spent = Duration::ZERO;
    let mut idle = Idle::default();
    std::future::poll_fn(|cx| {
        ending.register(cx.waker());
        if let Some(exit) = ending.take().or_else(|| idle.check(cx)) {
            return Poll::Ready(Err(exit));
        }
        let before = cpu_time();
        let polled = budget.ticking.during(|| guest.as_mut().poll(cx));
        spent += cpu_time().saturating_sub(before);
        if let Some(exit) = ending.take() {
            return Poll::Ready(Err(exit));
        }
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if spent > budget.cpu_max => Poll::Ready(Err(exceeded(&budget))),
            Poll::Pending => idle.rest(&situation, cx),
        }
    })
    .await
}

fn exceeded(budget: &Budget) -> Exit {
    Exit::Exceeded {
        limit: format!("{} ({} s of CPU time in one activation)", budget.name, budget.cpu_max.as_secs_f32()),
    }
}

/// How long the guest has been waiting for nothing that the host knows of.
#[derive(Default)]
struct Idle {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    /// The exit, once the guest has waited too long.
    fn check(&mut self, cx: &mut Context<'_>) -> Option<Exit> {
        let over = self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        over.then(|| Exit::Misused {
            message: format!(
                "the workflow has been waiting for {} s outside any step, for nothing that the host knows of",
                IDLE_MAX.as_secs()
            ),
        })
    }

    /// The guest is pending: starts the timer anew unless somebody will answer it. A guest that only gave
    /// way to others is polled again long before it ends.
    fn rest<T>(&mut self, situation: &Situation, cx: &mut Context<'_>) -> Poll<Result<T, Exit>> {
        if situation.is_waited_for() {
            self.timer = None;
            return Poll::Pending;
        }
        let until = Instant::now() + IDLE_MAX;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        timer.as_mut().reset(until);
        // Ready at once only where the clock jumped: the next poll finds it.
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
