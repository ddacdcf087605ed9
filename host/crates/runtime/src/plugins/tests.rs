//! The folder turn by turn, without its timers.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    former: Vec<(PluginName, Digest)>,
    /// Who has the one workflow that there is, where only one may have it: all but the plugin `beside` want it.
    owner: Option<Mutex<Option<PluginName>>>,
}

#[async_trait]
impl PluginSink for Told {
    async fn arrived(&self, arrival: Arrival<'_>) -> Result<Vec<PluginName>, String> {
        let workflow = &arrival.manifest.workflows[0];
        let line = format!("{} {}", workflow.name.as_deref().unwrap(), workflow.description.as_deref().unwrap());
        let contested = self.owner.as_ref().filter(|_| arrival.name.as_str() != "beside");
        let mut owner = contested.map(|owner| owner.lock().unwrap());
        let other = owner.as_ref().and_then(|owner| (**owner).clone()).filter(|owner| owner != arrival.name);
        if let Some(other) = other.as_ref().filter(|other| !arrival.leaving.contains(*other)) {
            return Err(format!("{other} has it"));
        }
        if let Some(owner) = &mut owner {
            **owner = Some(arrival.name.clone());
        }
        let from = other.as_ref().map(|other| format!(" from {other}")).unwrap_or_default();
        self.lines.lock().unwrap().push(format!("{line}{from}"));
        Ok(other.into_iter().collect())
    }

    fn would_refuse(&self, arrival: &Arrival<'_>) -> Option<String> {
        let name = arrival.name.as_str();
        (name == "unwanted").then(|| "nobody wants it".to_owned())
    }

    async fn gone(&self, name: &PluginName, _: &str) {
        if let Some(owner) = &self.owner {
            owner.lock().unwrap().take_if(|owner| owner == name);
        }
        self.lines.lock().unwrap().push(format!("{name} gone"));
    }

    async fn in_service(&self) -> Vec<(PluginName, Digest)> {
        self.former.clone()
    }
}

#[async_trait]
impl ComponentSource for Told {
    async fn component(&self, _: Digest) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

pub(super) struct Bench {
    pub(super) dir: TempDir,
    pub(super) folder: PluginFolder,
    told: Arc<Told>,
    pub(super) clock: Arc<SimulatedClock>,
}

impl Bench {
    pub(super) fn new(former: &[&str]) -> Self {
        let former: Vec<_> = former.iter().map(|name| (*name, Digest::of(name.as_bytes()))).collect();
        Self::with(tempfile::tempdir().unwrap(), &former, Rules::default())
    }

    /// A host over this directory, in which an earlier one may have worked.
    pub(super) fn with(dir: TempDir, former: &[(&str, Digest)], rules: Rules) -> Self {
        let former = former.iter().map(|(name, digest)| (name.parse().unwrap(), *digest)).collect();
        Self::telling(dir, Told { former, ..Told::default() }, rules)
    }

    /// One in which one plugin at a time has the workflow: this one so far.
    pub(super) fn contested(dir: TempDir, owner: Option<(&str, Digest)>) -> Self {
        let former: Vec<_> = owner.into_iter().map(|(name, digest)| (name.parse().unwrap(), digest)).collect();
        let owner = former.first().map(|(name, _): &(PluginName, _)| name.clone());
        Self::telling(dir, Told { former, owner: Some(Mutex::new(owner)), ..Told::default() }, Rules::default())
    }

    fn telling(dir: TempDir, told: Told, rules: Rules) -> Self {
        let _there_already = fs::create_dir(dir.path().join("plugins"));
        let told = Arc::new(told);
        let settings = Settings { activations_max: 1, threads: 1, ..Settings::new(dir.path().join("code")) };
        let runtime = Arc::new(Runtime::start(settings, told.clone(), Grants::default()).unwrap());
        let clock = Arc::new(SimulatedClock::at(Timestamp::ZERO));
        let ports = FolderPorts { runtime, sink: told.clone(), clock: clock.clone() };
        let folder = PluginFolder::open(&dir.path().join("plugins"), rules, ports).unwrap();
        Self { dir, folder, told, clock }
    }

    /// Lets a time pass, then reads the folder as often as it takes to try a file to its end.
    pub(super) async fn after(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        for _ in 0..5 {
            self.folder.turn().await;
        }
    }

    pub(super) fn reason(&self, name: &str) -> String {
        match self.state(name) {
            PluginState::Failed { reason } | PluginState::Missing { reason } => reason,
            PluginState::Loading | PluginState::Ready => String::new(),
        }
    }

    fn plugins(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.plugins().join("plugins").join(file)
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.told.lines.lock().unwrap().clone()
    }

    pub(super) fn state(&self, name: &str) -> PluginState {
        self.folder.plugins().get(name).unwrap().state
    }

    fn is_scanned(&self) -> bool {
        use futures::FutureExt;
        self.folder.plugins().ready().now_or_never().is_some()
    }
}

/// A component whose workflow has this name and, at the other end of its file, this description.
pub(super) fn component(name: &str, description: &str) -> Vec<u8> {
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
    bench.after(0).await;
    assert!(bench.told().is_empty() && bench.reason("broken").contains("link"), "{:?}", bench.told());
    assert!(
        bench.reason("absent").contains("goes out of service at 1970-01-01T00:00:30"),
        "{}",
        bench.reason("absent")
    );
    bench.after(30).await;
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

pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::of_seed([n; 32]).unwrap()
}

pub(super) fn signed_rules(keys: &[u8]) -> Rules {
    let keys = keys.iter().map(|n| (format!("key-{n}"), key(*n).public().unwrap())).collect();
    Rules { trust: Trust { require_signature: true, keys, ..Trust::default() }, ..Rules::default() }
}

#[tokio::test]
async fn what_is_not_signed_by_a_trusted_key_stays_out_and_the_version_in_service_stays_in() {
    let mut bench = Bench::with(tempfile::tempdir().unwrap(), &[], signed_rules(&[1, 2]));
    let (one, two, evil) = (component("one", ""), component("two", ""), component("evil", ""));
    let put = |bench: &Bench, bytes: &[u8], signature: Option<Vec<u8>>| {
        let _ = fs::remove_file(bench.path("a.wasm.sig"));
        if let Some(signature) = signature {
            fs::write(bench.path("a.wasm.sig"), signature).unwrap();
        }
        fs::write(bench.path("next"), bytes).unwrap();
        fs::rename(bench.path("next"), bench.path("a.wasm")).unwrap();
    };
    put(&bench, &one, Some(key(1).sign(&one)));
    bench.after(0).await;
    assert_eq!(bench.folder.plugins().get("a").unwrap().signed_by.as_deref(), Some("key-1"));
    let attacks: [(Option<Vec<u8>>, &str); 4] = [
        (None, "it is not signed"),
        (Some(key(9).sign(&evil)), "does not verify with any trusted key (key-1, key-2)"),
        (Some(key(1).sign(&one)), "does not verify"),
        (Some(vec![0; 63]), "63 bytes"),
    ];
    for (signature, expected) in attacks {
        put(&bench, &evil, signature);
        bench.after(0).await;
        assert!(bench.reason("a").contains(expected), "{}", bench.reason("a"));
        assert_eq!(bench.folder.plugins().get("a").unwrap().digest, Some(Digest::of(&one)), "{expected}");
    }
    // The other key, for rotation; its signature comes after the file.
    put(&bench, &two, None);
    bench.folder.turn().await;
    fs::write(bench.path("a.wasm.sig"), key(2).sign(&two)).unwrap();
    bench.after(0).await;
    assert_eq!(bench.state("a"), PluginState::Ready);
    assert_eq!(bench.told(), ["one ", "two "]);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_takes_what_it_signed_out_of_service_at_the_next_start() {
    let one = component("one", "");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("plugins")).unwrap();
    fs::write(dir.path().join("plugins/a.wasm"), &one).unwrap();
    fs::write(dir.path().join("plugins/a.wasm.sig"), key(1).sign(&one)).unwrap();
    let mut bench = Bench::with(dir, &[("a", Digest::of(&one))], signed_rules(&[2]));
    bench.after(0).await;
    assert_eq!(bench.told(), ["a gone"]);
    assert!(bench.is_scanned());
    assert_eq!(bench.folder.plugins().get("a").unwrap().digest, None);
}

#[tokio::test]
async fn an_older_file_with_a_good_signature_is_refused_by_its_pin() {
    let (old, new) = (component("old", ""), component("new", ""));
    let pins = std::collections::BTreeMap::from([("a".parse().unwrap(), vec![Digest::of(&new)])]);
    let mut rules = signed_rules(&[1]);
    rules.trust.pins = pins;
    let mut bench = Bench::with(tempfile::tempdir().unwrap(), &[("a", Digest::of(&old))], rules);
    fs::write(bench.path("a.wasm"), &new).unwrap();
    fs::write(bench.path("a.wasm.sig"), key(1).sign(&new)).unwrap();
    bench.after(0).await;
    assert_eq!(bench.told(), ["a gone", "new "], "what is pinned otherwise goes at the start");
    fs::write(bench.path("next"), &old).unwrap();
    fs::rename(bench.path("next"), bench.path("a.wasm")).unwrap();
    fs::write(bench.path("a.wasm.sig"), key(1).sign(&old)).unwrap();
    bench.after(0).await;
    let reason = bench.reason("a");
    assert!([&old, &new].iter().all(|bytes| reason.contains(&Digest::of(bytes).to_string())), "{reason}");
    assert_eq!(bench.told(), ["a gone", "new "]);
}

#[tokio::test]
async fn a_file_that_is_gone_takes_its_plugin_out_after_a_grace_and_not_if_it_comes_back() {
    let mut bench = Bench::new(&[]);
    let bytes = component("a", "");
    for file in ["a.wasm", "other.wasm"] {
        fs::write(bench.path(file), &bytes).unwrap();
    }
    bench.after(0).await;
    for _ in 0..1000 {
        fs::remove_file(bench.path("a.wasm")).unwrap();
        bench.folder.turn().await;
        assert!(matches!(bench.state("a"), PluginState::Missing { .. }));
        bench.clock.advance(Duration::from_secs(29));
        fs::write(bench.path("a.wasm"), &bytes).unwrap();
        bench.folder.turn().await;
        assert_eq!(bench.state("a"), PluginState::Ready);
    }
    assert!(!bench.told().contains(&"a gone".to_owned()));
    fs::remove_file(bench.path("a.wasm")).unwrap();
    bench.after(0).await;
    bench.after(29).await;
    assert!(!bench.told().contains(&"a gone".to_owned()));
    bench.after(1).await;
    assert_eq!(bench.told().last().unwrap(), "a gone");
    assert!(bench.folder.plugins().get("a").is_none());
}

/// What happens to the folder, and what is said of it.
type Misfortune<'a> = (&'a str, &'a dyn Fn(&Bench), &'a str);

#[tokio::test]
async fn a_folder_that_is_emptied_replaced_or_unreadable_takes_nothing_out_of_service() {
    let misfortunes: [Misfortune<'_>; 4] = [
        (
            "emptied",
            &|bench| ["a", "b"].iter().for_each(|f| fs::remove_file(bench.path(&format!("{f}.wasm"))).unwrap()),
            "all stay in service",
        ),
        (
            "replaced by an empty one",
            &|bench| {
                fs::rename(bench.dir.path().join("plugins"), bench.dir.path().join("old")).unwrap();
                fs::create_dir(bench.dir.path().join("plugins")).unwrap();
            },
            "all stay in service",
        ),
        (
            "replaced by one with less in it",
            &|bench| {
                fs::rename(bench.dir.path().join("plugins"), bench.dir.path().join("old")).unwrap();
                fs::create_dir(bench.dir.path().join("plugins")).unwrap();
                fs::copy(bench.dir.path().join("old/b.wasm"), bench.path("b.wasm")).unwrap();
            },
            "not the one that the host started with",
        ),
        ("gone", &|bench| fs::rename(bench.dir.path().join("plugins"), bench.dir.path().join("old")).unwrap(), ""),
    ];
    for (what, befall, said) in misfortunes {
        let mut bench = Bench::new(&[]);
        for file in ["a.wasm", "b.wasm"] {
            fs::write(bench.path(file), component("x", file)).unwrap();
        }
        bench.after(0).await;
        befall(&bench);
        bench.after(0).await;
        bench.after(100_000).await;
        assert!(bench.told().iter().all(|line| !line.contains("gone")), "{what}: {:?}", bench.told());
        assert!(bench.reason("a").contains(said), "{what}: {}", bench.reason("a"));
        assert_eq!(bench.folder.plugins().trouble().is_some(), what == "gone");
    }
}

#[tokio::test]
async fn a_start_with_an_emptied_folder_keeps_what_was_in_service_until_a_person_takes_it_out() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.after(0).await;
    bench.after(100_000).await;
    assert!(bench.is_scanned() && bench.told().is_empty(), "{:?}", bench.told());
    let (a, c) = ("a".parse().unwrap(), "c".parse().unwrap());
    assert!(bench.reason("a").contains("stepwell plugins unload a"), "{}", bench.reason("a"));
    assert_eq!(bench.folder.unload(&a).await, Ok(()));
    assert_eq!(bench.folder.unload(&c).await, Err(UnloadError::NotLoaded(c)));
    bench.after(100_000).await;
    assert_eq!(bench.told(), ["a gone"]);
    fs::write(bench.path("b.wasm"), component("b", "")).unwrap();
    bench.after(0).await;
    let b = "b".parse().unwrap();
    assert!(matches!(bench.folder.unload(&b).await, Err(UnloadError::FileThere(_))));
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_since_is_left_alone_and_said() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("plugins");
    fs::create_dir(&folder).unwrap();
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    let mut bench = Bench::with(dir, &[], Rules { writers: Writers::Owner, ..Rules::default() });
    mode(0o777);
    fs::write(bench.path("a.wasm"), component("a", "")).unwrap();
    bench.after(0).await;
    assert!(bench.told().is_empty());
    let trouble = bench.folder.plugins().trouble().unwrap();
    assert!(trouble.contains("chmod go-w"), "{trouble}");
    mode(0o755);
    fs::set_permissions(bench.path("a.wasm"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.after(0).await;
    assert_eq!(bench.told(), ["a "]);
    assert_eq!(bench.folder.plugins().trouble(), None);
}
