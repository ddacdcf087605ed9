//! Drives a guest's future: charges its CPU time, sees that it ends as its imports left it, and stops a
//! guest that waits for nothing the host knows of.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
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
    let turn = Arc::new(Turn::default());
    let waker = Waker::from(turn.clone());
    std::future::poll_fn(|cx| {
        ending.register(cx.waker());
        turn.driver.register(cx.waker());
        let has_turn = turn.is_due.swap(false, Ordering::SeqCst);
        if let Some(exit) = ending.take().or_else(|| idle.check(has_turn, cx)) {
            return Poll::Ready(Err(exit));
        }
        let before = cpu_time();
        let polled = budget.ticking.during(|| guest.as_mut().poll(&mut Context::from_waker(&waker)));
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

/// Whether the guest was woken since it was last polled: then it waits for its turn on a thread, however long
/// a busy or a halted host keeps it waiting, and for nothing else.
#[derive(Default)]
struct Turn {
    is_due: AtomicBool,
    driver: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::SeqCst);
        self.driver.wake();
    }
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
    /// The exit, once the guest has waited too long for anything but its turn.
    fn check(&mut self, has_turn: bool, cx: &mut Context<'_>) -> Option<Exit> {
        let over = !has_turn && self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        over.then(|| Exit::Misused {
            message: format!(
                "the workflow has been waiting for {} s outside any step, for nothing that the host knows of",
                IDLE_MAX.as_secs()
            ),
        })
    }

    /// The guest is pending: starts the timer anew unless somebody will answer it.
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

#[cfg(test)]
mod tests {
    use stepwell_core::EventId;
    use stepwell_core::id::Seed;

    use super::*;
    use crate::ticker::Ticker;

    /// Polls a guest, lets a minute pass in which nobody polls it, and polls it again.
    async fn after_a_minute(guest: impl Future<Output = u32>) -> Poll<Result<u32, String>> {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let budget = Budget { cpu_max: Duration::from_secs(1), name: "CPU", ticking: ticker.handle() };
        let seed = Seed::of(EventId::from_bytes([0; 16]), &"idle".parse().unwrap());
        let situation = Arc::new(Situation::new(seed, None));
        let mut driven = pin!(drive(guest, budget, Arc::default(), situation));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driven.as_mut().poll(&mut cx).is_pending());
        tokio::time::advance(Duration::from_secs(60)).await;
        driven.as_mut().poll(&mut cx).map_err(|exit| format!("{exit:?}"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_was_kept_from_its_turn_is_not_idle() {
        let gives_way = async {
            tokio::task::yield_now().await;
            7
        };
        // tokio wakes who gave way once the task that polled it gives way too, as here by `advance`.
        assert_eq!(after_a_minute(gives_way).await, Poll::Ready(Ok(7)));
        let Poll::Ready(Err(exit)) = after_a_minute(std::future::pending()).await else { panic!("it is idle") };
        assert!(exit.contains("for nothing that the host knows of"), "{exit}");
    }
}
