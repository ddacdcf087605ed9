//! Tests of the intake as tables over its routes, on an engine that is a map.

mod attacks;
mod config;
mod logs;
mod mapping;
mod operations;
mod support;
mod table;
