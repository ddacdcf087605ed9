//! The bench's workflows as a service of Restate's: three steps, 500 steps, a sleep between two steps. Must
//! not do more or less than the fixtures `three_steps`, `many_steps` and `sleeper` do.

use std::net::SocketAddr;
use std::time::Duration;

use restate_sdk::prelude::*;
use serde::Deserialize;
use tokio::net::TcpListener;

/// What comes in: one of these numbers, and a filling that nobody reads.
#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    ms: u64,
}

struct Bench;

#[service]
impl Bench {
    /// Three steps, each with a result of one byte.
    #[handler]
    async fn three(&self, context: Context<'_>, _data: Json<Data>) -> HandlerResult<u64> {
        let one = context.run(async || Ok(1_u64)).name("one").await?;
        let two = context.run(async || Ok(2_u64)).name("two").await?;
        let three = context.run(async || Ok(3_u64)).name("three").await?;
        Ok(one + two + three)
    }

    /// `data.count` steps in a row, each with a name of its own.
    #[handler]
    async fn many(&self, context: Context<'_>, data: Json<Data>) -> HandlerResult<u64> {
        let mut sum = 0;
        for number in 0..data.into_inner().count {
            sum += context.run(async move || Ok(number)).name(format!("step-{number}")).await?;
        }
        Ok(sum)
    }

    /// Sleeps `data.ms` milliseconds between two steps.
    #[handler]
    async fn sleeper(&self, context: Context<'_>, data: Json<Data>) -> HandlerResult<()> {
        context.run(async || Ok(())).name("before").await?;
        context.sleep(Duration::from_millis(data.into_inner().ms)).await?;
        Ok(context.run(async || Ok(())).name("after").await?)
    }
}

/// Serves at the address that is the only argument, until it is killed.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args().nth(1).ok_or("the address to serve at")?.parse()?;
    let listener = TcpListener::bind(address).await?;
    println!("ready");
    HttpServer::new(Endpoint::builder().bind(Bench).build()).serve(listener).await;
    Ok(())
}
