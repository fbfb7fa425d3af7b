//! Rebuilds when an embedded file is added or removed; the compiler sees only changes inside one.

fn main() {
    for folder in ["migrations", "static", "templates"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
