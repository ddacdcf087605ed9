//! Components in text form: what no toolchain would make.

/// The bodies of a component's core functions. By default its `describe` answers what it is given, and its `run`
/// `null`; all else does nothing.
pub(crate) struct Guest<'a> {
    /// The memory, `MIN` or `MIN MAX`.
    pub(crate) pages: &'a str,
    /// Further items of the core module, such as a start function.
    pub(crate) items: &'a str,
    /// What is executed before `describe` answers.
    pub(crate) describe: &'a str,
    /// After it has.
    pub(crate) described: &'a str,
    /// Answers where the host writes to.
    pub(crate) realloc: &'a str,
    /// Answers where the result is: at 4096 is that of `null`, at 4192 that of a text at 0 whose length is at 4204.
    pub(crate) run: &'a str,
    /// After `run`.
    pub(crate) ran: &'a str,
}

impl Default for Guest<'_> {
    fn default() -> Self {
        Self {
            pages: "2",
            items: "",
            describe: "",
            described: "",
            realloc: "i32.const 65536",
            run: "i32.const 4096",
            ran: "",
        }
    }
}

impl Guest<'_> {
    /// The component, whose `describe` answers `json` of less than 4,000 bytes.
    pub(crate) fn describing(&self, json: &str) -> Vec<u8> {
        let data: String = json.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let items = format!(
            "{} (data (i32.const 16) \"{data}\")
             (data (i32.const 4104) \"\\80\\10\\00\\00\\04\") (data (i32.const 4224) \"null\")",
            self.items
        );
        self.component(&items, json.len())
    }

    fn component(&self, items: &str, length: usize) -> Vec<u8> {
        let Self { pages, describe, described, realloc, run, ran, .. } = self;
        let wat = format!(
            r#"(component
            (type $record (record (field "message" string) (field "permanent" bool)
                (field "retry-after-ms" (option u64)) (field "detail" (option string))))
            (import "failure" (type $failure (eq $record)))
            (core module $m
                (memory (export "memory") {pages})
                {items}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "describe") (result i32)
                    {describe}
                    (i32.store (i32.const 0) (i32.const 16))
                    (i32.store (i32.const 4) (i32.const {length}))
                    i32.const 0)
                (func (export "described") (param i32) {described})
                (func (export "run") (param i32 i32 i32 i32) (result i32) {run})
                (func (export "ran") (param i32) {ran}))
            (core instance $i (instantiate $m))
            (alias core export $i "memory" (core memory $memory))
            (alias core export $i "realloc" (core func $realloc))
            (func $describe (result string)
                (canon lift (core func $i "describe") (memory $memory) (post-return (core func $i "described"))))
            (func $run (param "workflow-id" string) (param "event" string) (result (result string (error $failure)))
                (canon lift (core func $i "run") (memory $memory) (realloc $realloc) (post-return (core func $i "ran"))))
            (export "describe" (func $describe))
            (export "run" (func $run)))"#
        );
        wat::parse_str(wat).unwrap()
    }
}

/// One whose `describe` answers `json` and whose `run` traps. `items` are the core module's further items, such as a
/// start function; `pages` is its memory, `MIN` or `MIN MAX`.
pub(crate) fn describing(json: &str, pages: &str, items: &str) -> Vec<u8> {
    let data: String = json.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    component(pages, &format!("{items} (data (i32.const 16) \"{data}\")"), json.len())
}

/// One whose `describe` answers `length` bytes of its memory.
pub(crate) fn component(pages: &str, items: &str, length: usize) -> Vec<u8> {
    Guest { pages, run: "unreachable", ..Guest::default() }.component(items, length)
}

/// The description of one workflow, `id`.
pub(crate) fn workflow(id: &str) -> String {
    format!(r#"{{"schema":1,"workflows":[{{"id":"{id}","triggers":[{{"event":"test/{id}"}}]}}]}}"#)
}
