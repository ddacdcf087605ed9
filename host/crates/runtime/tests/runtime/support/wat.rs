//! Components in text form: what no toolchain would make.

/// One whose `describe` answers `json` and whose `run` traps. `items` are the core module's further items, such as a
/// start function; `pages` is its memory, `MIN` or `MIN MAX`.
pub(crate) fn describing(json: &str, pages: &str, items: &str) -> Vec<u8> {
    let data: String = json.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    component(pages, &format!("{items} (data (i32.const 16) \"{data}\")"), json.len())
}

/// One whose `describe` answers `length` bytes of its memory.
pub(crate) fn component(pages: &str, items: &str, length: usize) -> Vec<u8> {
    let wat = format!(
        r#"(component
        (type $record (record (field "message" string) (field "permanent" bool)
            (field "retry-after-ms" (option u64)) (field "detail" (option string))))
        (import "failure" (type $failure (eq $record)))
        (core module $m
            (memory (export "memory") {pages})
            {items}
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
            (func (export "describe") (result i32)
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                i32.const 0)
            (func (export "run") (param i32 i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $memory))
        (alias core export $i "realloc" (core func $realloc))
        (func $describe (result string) (canon lift (core func $i "describe") (memory $memory)))
        (func $run (param "workflow-id" string) (param "event" string) (result (result string (error $failure)))
            (canon lift (core func $i "run") (memory $memory) (realloc $realloc)))
        (export "describe" (func $describe))
        (export "run" (func $run)))"#
    );
    wat::parse_str(wat).unwrap()
}

/// The description of one workflow, `id`.
pub(crate) fn workflow(id: &str) -> String {
    format!(r#"{{"schema":1,"workflows":[{{"id":"{id}","triggers":[{{"event":"test/{id}"}}]}}]}}"#)
}
