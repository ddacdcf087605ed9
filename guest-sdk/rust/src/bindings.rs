//! What wit-bindgen generates from `wit/0.1.0`: the raw contract. The rest of the crate is a thin cover
//! over it; reach for it only to do what the cover forbids, as the host's own test fixtures do.

wit_bindgen::generate!({
    path: "../../wit/0.1.0",
    world: "workflow",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "stepwell_sdk::bindings",
});
