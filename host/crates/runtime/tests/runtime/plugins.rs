//! The plugins folder: files that come, change, break and go.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::{Digest, PluginName, Timestamp};
use stepwell_engine::clock::SimulatedClock;
use stepwell_runtime::{
    Arrival, FolderError, FolderPorts, Grants, PluginFolder, PluginSink, PluginState, PluginStatus, Plugins, Rules,
    Runtime, Settings,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::{Shelf, fixture_bytes};

/// Writes down what it is told, and refuses a workflow that another plugin has.
#[derive(Debug, Default)]
struct Record {
    told: Mutex<Vec<String>>,
    former: Vec<PluginName>,
    claimed: Mutex<Vec<(String, PluginName)>>,
}

#[async_trait]
impl PluginSink for Record {
    async fn arrived(&self, arrival: Arrival<'_>) -> Result<Vec<PluginName>, String> {
        let Arrival { name, digest, bytes, manifest, leaving } = arrival;
        assert_eq!(Digest::of(&bytes), digest);
        let id = manifest.workflows[0].id.to_string();
        let mut claimed = self.claimed.lock().unwrap();
        let others = claimed.iter().filter(|(claim, by)| *claim == id && by != name).map(|(_, by)| by.clone());
        let others: Vec<PluginName> = others.collect();
        if let Some(other) = others.iter().find(|other| !leaving.contains(*other)) {
            return Err(format!("the plugin {other} already declares {id}"));
        }
        claimed.retain(|(_, by)| by != name && !others.contains(by));
        claimed.push((id.clone(), name.clone()));
        let mut told = self.told.lock().unwrap();
        told.push(format!("{name}: {id}"));
        told.extend(others.iter().map(|other| format!("{other} succeeded by {name}")));
        Ok(others)
    }

    fn would_refuse(&self, arrival: &Arrival<'_>) -> Option<String> {
        let name = arrival.name.as_str();
        (name == "unwanted").then(|| "nobody wants it".to_owned())
    }

    async fn gone(&self, name: &PluginName, _: &str) {
        self.claimed.lock().unwrap().retain(|(_, by)| by != name);
        self.told.lock().unwrap().push(format!("{name} gone"));
    }

    async fn in_service(&self) -> Vec<(PluginName, Digest)> {
        self.former.iter().map(|name| (name.clone(), Digest::of(name.as_str().as_bytes()))).collect()
    }
}

struct Folder {
    dir: TempDir,
    record: Arc<Record>,
    plugins: Plugins,
    service: JoinHandle<()>,
}

impl Folder {
    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("plugins").join(file)
    }

    /// Waits until the plugin is as expected.
    async fn until(&self, name: &str, what: impl Fn(&PluginStatus) -> bool) -> PluginStatus {
        let met = async {
            loop {
                if let Some(status) = self.plugins.get(name).filter(|status| what(status)) {
                    return status;
                }
                tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), met).await;
        waited.unwrap_or_else(|_| panic!("{name} is never as expected: {:#?}", self.plugins.list()))
    }

    fn told(&self) -> Vec<String> {
        self.record.told.lock().unwrap().clone()
    }
}

fn is_failed(status: &PluginStatus) -> bool {
    matches!(status.state, PluginState::Failed { .. })
}

fn reason(status: &PluginStatus) -> String {
    match &status.state {
        PluginState::Failed { reason } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// What goes, goes at once.
fn at_once() -> Rules {
    Rules { removal_grace: Duration::ZERO, all_may_go: true, ..Rules::default() }
}

/// A watched folder with these fixtures under these names.
fn folder(files: &[(&str, &str)], former: &[&str]) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("plugins")).unwrap();
    for (file, fixture) in files {
        fs::write(dir.path().join("plugins").join(file), fixture_bytes(fixture)).unwrap();
    }
    let settings = Settings::new(dir.path().join("code"));
    let runtime = Arc::new(Runtime::start(settings, Arc::new(Shelf::default()), Grants::default()).unwrap());
    let former = former.iter().map(|name| name.parse().unwrap()).collect();
    let record = Arc::new(Record { former, ..Record::default() });
    let clock = Arc::new(SimulatedClock::at(Timestamp::from_millis(1)));
    let ports = FolderPorts { runtime, sink: record.clone(), clock };
    let service = PluginFolder::open(&dir.path().join("plugins"), at_once(), ports).unwrap();
    let plugins = service.plugins();
    Folder { dir, record, plugins, service: tokio::spawn(service.run(std::future::pending())) }
}

#[tokio::test]
async fn what_is_there_at_the_start_is_in_service_and_what_is_gone_is_not() {
    let folder = folder(&[("three_steps.wasm", "three_steps"), ("other.wasm", "loops")], &["other", "long-gone"]);
    folder.plugins.ready().await;
    let states: Vec<_> = folder.plugins.list().into_iter().map(|status| (status.name, status.state)).collect();
    let ready = |name: &str| (name.to_owned(), PluginState::Ready);
    assert_eq!(
        states.iter().filter(|state| state.0 != "long-gone").cloned().collect::<Vec<_>>(),
        [ready("other"), ready("three-steps")]
    );
    while folder.told().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(folder.told(), ["other: loops", "three-steps: three-steps", "long-gone gone"]);
    folder.service.abort();
}

#[tokio::test]
async fn files_come_change_break_and_go() {
    let folder = folder(&[], &[]);
    folder.plugins.ready().await;
    let path = folder.path("shop.wasm");
    fs::write(&path, fixture_bytes("three_steps")).unwrap();
    let first = folder.until("shop", |status| status.state == PluginState::Ready).await;
    fs::write(folder.path("next"), fixture_bytes("loops")).unwrap();
    fs::rename(folder.path("next"), &path).unwrap();
    let second = folder.until("shop", |status| status.digest != first.digest).await;
    assert_eq!(second.digest, Some(Digest::of(&fixture_bytes("loops"))));
    fs::write(&path, "no component at all").unwrap();
    let broken = folder.until("shop", is_failed).await;
    assert_eq!(broken.digest, second.digest, "the old component goes on");
    assert!(reason(&broken).contains("not a WebAssembly component"));
    fs::remove_file(&path).unwrap();
    while !folder.told().contains(&"shop gone".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(folder.told(), ["shop: three-steps", "shop: loops", "shop gone"]);
    assert!(folder.plugins.list().is_empty());
    folder.service.abort();
}

#[tokio::test]
async fn a_half_written_file_is_taken_once_it_is_whole() {
    use std::io::Write;
    let folder = folder(&[], &[]);
    folder.plugins.ready().await;
    let whole = fixture_bytes("three_steps");
    let mut file = fs::File::create(folder.path("slow.wasm")).unwrap();
    for part in whole.chunks(whole.len() / 4 + 1) {
        file.write_all(part).unwrap();
        tokio::time::timeout(Duration::from_millis(150), std::future::pending::<()>()).await.ok();
    }
    let status = folder.until("slow", |status| status.state == PluginState::Ready).await;
    assert_eq!(status.digest, Some(Digest::of(&whole)));
    assert_eq!(folder.told(), ["slow: three-steps"]);
    folder.service.abort();
}

#[tokio::test]
async fn two_plugins_with_one_workflow_take_turns() {
    let folder = folder(&[("a.wasm", "loops"), ("b.wasm", "loops")], &[]);
    folder.plugins.ready().await;
    let refused = folder.until("b", is_failed).await;
    assert_eq!(reason(&refused), "the plugin a already declares loops");
    fs::remove_file(folder.path("a.wasm")).unwrap();
    folder.until("b", |status| status.state == PluginState::Ready).await;
    assert_eq!(folder.told(), ["a: loops", "b: loops", "a succeeded by b"], "no moment without and none with both");
    fs::write(folder.path("x_y.wasm"), fixture_bytes("flaky")).unwrap();
    folder.until("x-y", |status| status.state == PluginState::Ready).await;
    fs::write(folder.path("x-y.wasm"), fixture_bytes("flaky")).unwrap();
    folder.until("x-y", is_failed).await;
    folder.service.abort();
}

#[tokio::test]
async fn a_folder_that_is_not_there_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::new(dir.path().join("code"));
    let runtime = Arc::new(Runtime::start(settings, Arc::new(Shelf::default()), Grants::default()).unwrap());
    let clock = Arc::new(SimulatedClock::at(Timestamp::ZERO));
    let ports = FolderPorts { runtime, sink: Arc::new(Record::default()), clock };
    let opened = PluginFolder::open(&dir.path().join("none"), Rules::default(), ports);
    let error = opened.unwrap_err();
    assert!(matches!(error, FolderError::Missing(_)) && error.to_string().contains("mkdir -p"), "{error}");
}
