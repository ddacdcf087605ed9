//! The folder turn by turn, without its timers.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use stepwell_core::Timestamp;
use stepwell_engine::clock::SimulatedClock;
use tempfile::TempDir;

use super::*;
use crate::component::ComponentSource;
use crate::{Grants, Runtime, Settings};

/// Keeps nothing, and writes down the names of the workflows that arrive and what goes.
#[derive(Debug, Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    former: Vec<PluginName>,
}

#[async_trait]
impl PluginSink for Told {
    async fn arrived(&self, _: &PluginName, _: Digest, _: Bytes, manifest: &Manifest) -> Result<(), String> {
        let workflow = &manifest.workflows[0];
        let line = format!("{} {}", workflow.name.as_deref().unwrap(), workflow.description.as_deref().unwrap());
        self.lines.lock().unwrap().push(line);
        Ok(())
    }

    async fn gone(&self, name: &PluginName) {
        self.lines.lock().unwrap().push(format!("{name} gone"));
    }

    async fn in_service(&self) -> Vec<PluginName> {
        self.former.clone()
    }
}

#[async_trait]
impl ComponentSource for Told {
    async fn component(&self, _: Digest) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

struct Bench {
    dir: TempDir,
    folder: PluginFolder,
    told: Arc<Told>,
}

impl Bench {
    fn new(former: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("plugins")).unwrap();
        let told =
            Arc::new(Told { former: former.iter().map(|name| name.parse().unwrap()).collect(), ..Told::default() });
        let settings = Settings { activations_max: 1, threads: 1, ..Settings::new(dir.path().join("code")) };
        let runtime = Arc::new(Runtime::start(settings, told.clone(), Grants::default()).unwrap());
        let clock = Arc::new(SimulatedClock::at(Timestamp::ZERO));
        let folder = PluginFolder::open(&dir.path().join("plugins"), runtime, told.clone(), clock).unwrap();
        Self { dir, folder, told }
    }

    fn plugins(&self) -> &Path {
        self.dir.path()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.plugins().join("plugins").join(file)
    }

    fn told(&self) -> Vec<String> {
        self.told.lines.lock().unwrap().clone()
    }

    fn state(&self, name: &str) -> PluginState {
        self.folder.plugins().get(name).unwrap().state
    }

    fn is_scanned(&self) -> bool {
        use futures::FutureExt;
        self.folder.plugins().ready().now_or_never().is_some()
    }
}

/// A component whose workflow has this name and, at the other end of its file, this description.
fn component(name: &str, description: &str) -> Vec<u8> {
    let head = format!(r#"{{"schema":1,"workflows":[{{"id":"a","triggers":[{{"event":"a"}}],"name":"{name}","#);
    let tail = format!(r#""description":"{description}"}}]}}"#);
    let (first, length) = (head.len(), head.len() + tail.len());
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let wat = format!(
        r#"(component
        (type $record (record (field "message" string) (field "permanent" bool)
            (field "retry-after-ms" (option u64)) (field "detail" (option string))))
        (import "failure" (type $failure (eq $record)))
        (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
            (func (export "describe") (result i32)
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                i32.const 0)
            (func (export "run") (param i32 i32 i32 i32) (result i32) unreachable)
            (data (i32.const 16) "{head}")
            (data (i32.const {end}) "{filling}")
            (data (i32.const {from}) "{tail}"))
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $memory))
        (alias core export $i "realloc" (core func $realloc))
        (func $describe (result string) (canon lift (core func $i "describe") (memory $memory)))
        (func $run (param "workflow-id" string) (param "event" string) (result (result string (error $failure)))
            (canon lift (core func $i "run") (memory $memory) (realloc $realloc)))
        (export "describe" (func $describe))
        (export "run" (func $run)))"#,
        head = escaped(&head),
        tail = escaped(&tail),
        filling = "x".repeat(10_000),
        end = 16 + length,
        from = 16 + first,
    );
    wat::parse_str(wat).unwrap()
}

#[tokio::test]
async fn a_file_that_is_written_in_its_place_is_taken_once_it_is_whole() {
    use std::io::{Seek, SeekFrom, Write};
    let mut bench = Bench::new(&[]);
    let (old, new) = (component("old", "old"), component("new", "new"));
    assert_eq!(old.len(), new.len());
    fs::write(bench.path("a.wasm"), &old).unwrap();
    bench.folder.turn().await;
    assert_eq!(bench.told(), ["old old"]);
    let mut file = fs::OpenOptions::new().write(true).open(bench.path("a.wasm")).unwrap();
    file.write_all(&new[..new.len() / 2]).unwrap();
    bench.folder.turn().await;
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&new).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    for _ in 0..3 {
        bench.folder.turn().await;
    }
    assert_eq!(bench.told(), ["old old", "new new"]);
    // A rename is whole at once.
    fs::write(bench.path("next"), &old).unwrap();
    fs::rename(bench.path("next"), bench.path("a.wasm")).unwrap();
    bench.folder.turn().await;
    assert_eq!(bench.told().last().unwrap(), "old old");
}

#[tokio::test]
async fn a_file_that_comes_back_as_it_was_is_shown_as_ready_again() {
    let mut bench = Bench::new(&[]);
    fs::write(bench.path("a.wasm"), component("a", "b")).unwrap();
    bench.folder.turn().await;
    fs::rename(bench.path("a.wasm"), bench.path("kept")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", bench.path("a.wasm")).unwrap();
    bench.folder.turn().await;
    assert!(matches!(bench.state("a"), PluginState::Failed { .. }));
    fs::rename(bench.path("kept"), bench.path("a.wasm")).unwrap();
    bench.folder.turn().await;
    assert_eq!(bench.state("a"), PluginState::Ready);
    assert!(!bench.told().contains(&"a gone".to_owned()));
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_at_the_start_is_not_gone() {
    let mut bench = Bench::new(&["broken", "absent"]);
    std::os::unix::fs::symlink("/etc/hostname", bench.path("broken.wasm")).unwrap();
    bench.folder.turn().await;
    assert_eq!(bench.told(), ["absent gone"]);
}

#[tokio::test]
async fn a_start_does_not_wait_for_ever_for_a_file_that_is_never_whole() {
    let mut bench = Bench::new(&[]);
    for n in 0..=super::folder::FIRST_TURNS_MAX {
        assert!(!bench.is_scanned(), "{n}");
        fs::write(bench.path("a.wasm"), vec![0; n as usize + 1]).unwrap();
        bench.folder.turn().await;
    }
    assert!(bench.is_scanned());
}
