# Sourced by the scripts that use more of cargo than `cargo test` does. Goes to the repository's root; `need_tool` installs
# a tool of cargo's that this machine lacks, into the user's cache. Nothing is installed into the checkout.
# shellcheck shell=bash

export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

cache="${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
PATH="$PATH:$HOME/.cargo/bin:$cache/cargo/bin"

step() {
    printf '== %s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null
}

have cargo || fail "Rust is missing: install it with rustup (https://rustup.rs), then run this again"

# need_tool NAME VERSION: one that is installed already serves, whatever its version.
need_tool() {
    have "$1" && return
    step "installing $1 $2 (minutes)"
    cargo install --locked --quiet --root "$cache/cargo" "$1@$2" ||
        fail "cargo could not install $1 (see above): once that is mended, run this again"
}
