//! Serves the dashboard over made-up rows, to look at: `cargo run --release -p stepwell-api --example
//! dashboard [ADDRESS]`. It executes nothing and takes nothing in.

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "../tests/support/rows.rs"]
mod rows;

use support::Bench;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8401".to_owned());
    let mut bench = Bench::new().await;
    rows::every_state(&mut bench).await;
    let host = bench.start().await;
    axum::serve(tokio::net::TcpListener::bind(address).await?, host.router.clone()).await
}
