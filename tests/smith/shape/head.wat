;; The outside of a component of ours, and the part's memory. What a case puts in stands in the place of what is in
;; braces; the part itself takes the place of the first module or component.
(component
  {inner}
  (type $record (record (field "message" string) (field "permanent" bool)
    (field "retry-after-ms" (option u64)) (field "detail" (option string))))
  (import "failure" (type $failure (eq $record)))
  (import "stepwell:workflow/step@0.1.0" (instance $step
    (type $e0 (record (field "message" string) (field "permanent" bool)
      (field "retry-after-ms" (option u64)) (field "detail" (option string))))
    (export "step-error" (type $e (eq $e0)))
    (type $a0 (record (field "number" u32) (field "idempotency-key" string) (field "token" u64)))
    (export "attempt" (type $a (eq $a0)))
    (type $s0 (variant (case "execute" $a) (case "done" string) (case "failed" $e) (case "elsewhere") (case "cancelled")))
    (export "slot" (type $s (eq $s0)))
    (export "run" (func (param "name" string) (param "options" string) (result $s)))
    (export "finish" (func (param "token" u64) (param "outcome" (result string (error $e))) (result (result (error $e)))))
    (export "sleep" (func (param "name" string) (param "duration-ms" u64)))
    (export "sleep-until" (func (param "name" string) (param "epoch-ms" u64)))))
  (import "stepwell:workflow/http@0.1.0" (instance $http
    (type $r0 (record (field "method" string) (field "url" string) (field "headers" (list (tuple string string)))
      (field "body" (option (list u8))) (field "timeout-ms" (option u32))))
    (export "request" (type $r (eq $r0)))
    (type $a0 (record (field "status" u16) (field "headers" (list (tuple string string))) (field "body" (list u8))))
    (export "response" (type $a (eq $a0)))
    (type $e0 (record (field "code" string) (field "message" string) (field "permanent" bool)))
    (export "http-error" (type $e (eq $e0)))
    (export "send" (func (param "token" u64) (param "request" $r) (result (result $a (error $e)))))))
  (import "stepwell:workflow/context@0.1.0" (instance $context
    (type $i0 (record (field "run-id" string) (field "workflow" string) (field "event-id" string)))
    (export "run-info" (type $i (eq $i0)))
    (export "run" (func (result $i)))
    (export "now" (func (result u64)))
    (export "random" (func (param "length" u32) (result (list u8))))
    (export "config" (func (param "name" string) (result (option string))))
    (export "secret" (func (param "name" string) (result string)))))
  (import "stepwell:workflow/log@0.1.0" (instance $log
    (type $l0 (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $l (eq $l0)))
    (export "log" (func (param "level" $l) (param "message" string) (param "fields" (list (tuple string string)))))))
  (import "wasi:random/random@0.2.0" (instance $wasi-random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $wasi-clock (export "now" (func (result u64)))))
  (import "wasi:cli/environment@0.2.0" (instance $wasi-environment
    (export "get-environment" (func (result (list (tuple string string)))))))

  (core module $store
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
        (then (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))))
      (local.get $at)))
  (core instance $store (instantiate $store))
  (alias core export $store "memory" (core memory $memory))
  (alias core export $store "realloc" (core func $realloc))
