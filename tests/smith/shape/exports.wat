;; What the shell of tests/smith calls in a module that wasm-smith made.
(module
  (func (export "act"))
  (func (export "place") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "number") (param i64 i32 f32 f64) (result i64) unreachable))
