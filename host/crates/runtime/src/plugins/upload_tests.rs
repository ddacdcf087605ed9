//! Components that people hand over: in the folder and in service, or refused in its own words and nowhere.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::tests::{Bench, component, key, signed_rules};
use super::*;

async fn upload(bench: &mut Bench, name: &str, bytes: &[u8], signature: Option<Vec<u8>>) -> Result<(), UploadError> {
    let upload = Upload { bytes: bytes.to_vec().into(), signature: signature.map(Bytes::from) };
    bench.folder.upload(&name.parse().unwrap(), upload).await
}

/// Of a plugin, its bytes and signature, and why it is refused.
type Attempt<'a> = (&'a str, &'a [u8], Option<Vec<u8>>, &'a str);

/// What is in the folder, hidden files too.
fn files(bench: &Bench) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn file(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.to_vec())
}

#[tokio::test]
async fn what_is_handed_over_is_in_the_folder_and_in_service() {
    let mut bench = Bench::new(&[]);
    bench.after(0).await;
    let (one, two) = (component("one", ""), component("two", ""));
    assert_eq!(upload(&mut bench, "a-b", &one, None).await, Ok(()));
    assert_eq!((files(&bench), bench.state("a-b")), ([file("a-b.wasm", &one)].into(), PluginState::Ready));
    assert_eq!(fs::metadata(bench.path("a-b.wasm")).unwrap().permissions().mode() & 0o022, 0);
    // The file that makes the plugin's name is replaced, however that is spelt, and never what a link leads to.
    fs::write(bench.path("c_d.real"), &one).unwrap();
    symlink("c_d.real", bench.path("c_d.wasm")).unwrap();
    bench.after(0).await;
    assert_eq!(upload(&mut bench, "c-d", &two, None).await, Ok(()));
    let there = files(&bench);
    assert_eq!((&there["c_d.wasm"], &there["c_d.real"], there.len()), (&two, &one, 3));
    // One that a host left that died.
    fs::write(bench.path(".upload.part"), "half").unwrap();
    assert_eq!(upload(&mut bench, "a-b", &two, None).await, Ok(()));
    assert_eq!((&files(&bench)["a-b.wasm"], files(&bench).len()), (&two, 3));
    assert_eq!(bench.told(), ["one ", "one ", "two ", "two "]);
}

#[tokio::test]
async fn what_the_folder_would_refuse_is_refused_in_its_words_and_nothing_is_written() {
    let mut bench = Bench::with(tempfile::tempdir().unwrap(), &[], signed_rules(&[1]));
    bench.after(0).await;
    let (good, evil) = (component("good", ""), component("evil", ""));
    let signed = |bytes: &[u8]| Some(key(1).sign(bytes));
    assert_eq!(upload(&mut bench, "a", &good, signed(&good)).await, Ok(()));
    let before = files(&bench);
    let too_large = vec![0; crate::limits::COMPONENT_BYTES_MAX + 1];
    let refused: [Attempt<'_>; 5] = [
        ("a", &evil, None, "it is not signed"),
        ("a", &evil, signed(&good), "does not verify with any trusted key (key-1)"),
        ("a", b"no component", signed(b"no component"), "not a WebAssembly component"),
        ("a", &too_large, signed(&too_large), "COMPONENT_BYTES_MAX"),
        ("unwanted", &good, signed(&good), "nobody wants it"),
    ];
    for (name, bytes, signature, said) in refused {
        let Err(UploadError::Refused(reason)) = upload(&mut bench, name, bytes, signature).await else {
            panic!("{name} is not refused")
        };
        assert!(reason.contains(said), "{reason}");
        assert_eq!((files(&bench), bench.state("a")), (before.clone(), PluginState::Ready));
    }
    assert_eq!(bench.told(), ["good "]);
}

#[tokio::test]
async fn a_signature_goes_with_its_component_and_an_old_one_with_the_old() {
    let mut rules = signed_rules(&[1]);
    rules.trust.require_signature = false;
    let mut bench = Bench::with(tempfile::tempdir().unwrap(), &[], rules);
    bench.after(0).await;
    let (one, two) = (component("one", ""), component("two", ""));
    let signature = key(1).sign(&one);
    assert_eq!(upload(&mut bench, "a", &one, Some(signature.clone())).await, Ok(()));
    assert_eq!(files(&bench), [file("a.wasm", &one), file("a.wasm.sig", &signature)].into());
    assert_eq!(bench.folder.plugins().get("a").unwrap().signed_by.as_deref(), Some("key-1"));
    assert_eq!(upload(&mut bench, "a", &two, None).await, Ok(()));
    assert_eq!(files(&bench), [file("a.wasm", &two)].into());
}

#[tokio::test]
async fn a_folder_that_does_not_take_it_is_said() {
    let mut bench = Bench::new(&[]);
    bench.after(0).await;
    fs::rename(bench.path(""), bench.dir.path().join("away")).unwrap();
    let told = upload(&mut bench, "a", &component("a", ""), None).await;
    assert!(matches!(told, Err(UploadError::Unwritable(_))), "{told:?}");
    assert!(bench.told().is_empty());
}
