//! Senders: signed deliveries, some of them twice, each repeated until it is answered 2xx, as Svix would.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use stepwell_harness::{Delivery, Seed};
use tokio::task::JoinSet;

use crate::ledger::Ledger;

/// All deliveries so far, and those that are still to be answered.
#[derive(Debug, Default)]
pub struct Load {
    sent: Vec<Delivery>,
    open: Vec<Delivery>,
}

impl Load {
    /// How many different deliveries there are.
    pub fn deliveries(&self) -> usize {
        self.sent.len()
    }

    /// Deliveries that nobody answered 2xx yet.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Adds new deliveries, and some old ones again.
    pub fn add(&mut self, count: u64, seed: &mut Seed) -> Result<()> {
        for _ in 0..count {
            let number = self.sent.len();
            let delivery = Delivery::clerk("user.created", &format!("msg_{number}"), &format!("user{number}"))?;
            self.sent.push(delivery.clone());
            self.open.push(delivery);
            if seed.percent(20) {
                let old = seed.between(0, u64::try_from(number)?);
                self.open.extend(self.sent.get(usize::try_from(old)?).cloned());
            }
        }
        Ok(())
    }

    /// Sends everything that is open at once, and waits for all answers. What a killed host did not answer
    /// stays open.
    pub async fn send(&mut self, intake: SocketAddr, ledger: &mut Ledger) -> Result<()> {
        let mut sending = JoinSet::new();
        for delivery in self.open.drain(..) {
            sending.spawn(async move { (delivery.send(intake).await, delivery) });
        }
        while let Some(sent) = sending.join_next().await {
            let (answer, delivery) = sent.context("a sender panicked")?;
            let Ok(answer) = answer else {
                self.open.push(delivery);
                continue;
            };
            if answer.status == 503 {
                self.open.push(delivery);
                continue;
            }
            ensure!(
                matches!(answer.status, 200 | 202),
                "{} was answered {}: {}",
                delivery.id,
                answer.status,
                answer.text()
            );
            let event = answer.value();
            let event = event.get("id").and_then(|id| id.as_str()).with_context(|| answer.text())?;
            ledger.accept(&delivery.id, event)?;
        }
        Ok(())
    }
}
