//! Links the module so that it stays mapped after `MODULE UNLOAD`: a wake-up that the server's event loop still holds
//! then calls code that is there, and a reload finds its threads' runtime intact.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
