//! Plugins come, go, and follow one another.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepwell_engine::{Handle, RegisterError};
use stepwell_testkit::{FaultStore, MemoryStore, ScriptedExecutor, plugin};

use crate::bench::Bench;

async fn bench() -> (Arc<FaultStore<MemoryStore>>, Bench) {
    let store = Arc::new(FaultStore::over(MemoryStore::new()));
    let bench = Bench::on(Arc::<FaultStore<MemoryStore>>::clone(&store), ScriptedExecutor::new()).await;
    bench.register(plugin("mail", &[("welcome", &["user"]), ("drip", &["user"])])).await;
    (store, bench)
}

async fn succeed(
    handle: &Handle,
    name: &str,
    workflows: &[&str],
    leaving: &[&str],
) -> Result<Vec<String>, RegisterError> {
    let triggers: &[&str] = &["user"];
    let workflows: Vec<_> = workflows.iter().map(|id| (*id, triggers)).collect();
    let comes = plugin(name, &workflows);
    let leaving: BTreeSet<_> = leaving.iter().map(|name| name.parse().unwrap()).collect();
    let gone = handle.succeed((comes.name, comes.component, comes.manifest), &leaving).await?;
    Ok(gone.iter().map(ToString::to_string).collect())
}

fn in_service(bench: &Bench) -> Vec<String> {
    let registry = bench.handle.registry();
    registry.plugins().filter(|plugin| plugin.active).map(|plugin| plugin.name.to_string()).collect()
}

#[tokio::test]
async fn a_plugin_takes_over_from_those_that_leave_in_one_element() {
    let (store, bench) = bench().await;
    let before = store.submits();
    assert_eq!(succeed(&bench.handle, "letters", &["welcome", "drip"], &["mail", "nobody"]).await.unwrap(), ["mail"]);
    assert_eq!(store.submits() - before, 1, "between two elements an event would find none, or both");
    assert_eq!((in_service(&bench), bench.send("user").await.len()), (vec!["letters".to_owned()], 2));
}

#[tokio::test]
async fn who_does_not_leave_keeps_its_workflows_and_who_declares_none_of_them_takes_nobodys_place() {
    let (_, bench) = bench().await;
    let refused = succeed(&bench.handle, "letters", &["welcome"], &["nobody"]).await.unwrap_err().to_string();
    assert!(refused.contains("workflow welcome is already declared by plugin mail"), "{refused}");
    assert_eq!(succeed(&bench.handle, "other", &["else"], &["mail"]).await.unwrap(), [""; 0]);
    assert_eq!(in_service(&bench), ["mail", "other"]);
    // Of two whose workflows it wants one stays: then it gets none.
    let refused = succeed(&bench.handle, "both", &["welcome", "else"], &["mail"]).await.unwrap_err().to_string();
    assert!(refused.contains("else"), "{refused}");
    assert_eq!((in_service(&bench).len(), bench.send("user").await.len()), (2, 3));
}

#[tokio::test]
async fn events_meet_each_workflow_once_however_often_its_plugin_is_renamed() {
    let (_, bench) = bench().await;
    let renamed = async {
        for n in 0..200 {
            let (old, new) = (["mail", "post"][n % 2], ["post", "mail"][n % 2]);
            assert_eq!(succeed(&bench.handle, new, &["welcome", "drip"], &[old]).await.unwrap(), [old]);
            tokio::task::yield_now().await;
        }
    };
    let met = async {
        for _ in 0..400 {
            assert_eq!(bench.send("user").await.len(), 2);
        }
    };
    tokio::join!(renamed, met);
}
