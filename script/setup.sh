# Sourced by script/test and script/screenshots. Goes to the repository's root and installs what the tests need and this
# machine lacks: Debian packages with apt-get, npm packages and two servers into the user's cache. Nothing is installed
# into the checkout.
# shellcheck shell=bash

export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

cache="${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
# Where node_modules with axe-core and html-validate is; the browser tests read it.
export GATEHOUSE_NODE_DIR="$cache/node"
# nginx lies in /usr/sbin, which a user's PATH may lack; or both servers in the cache.
export PATH="$PATH:/usr/sbin:$cache/servers/usr/sbin:$cache/servers/usr/bin"

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

# Prints the Debian packages that are missing, one a line.
missing_packages() {
    have cc || echo gcc
    # gcc only recommends the C library's headers, and the bundled SQLite does not compile without them.
    [ -e /usr/include/stdlib.h ] || echo libc6-dev
    # npm and the mail tests check certificates with these.
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    have chromium || echo chromium
    have chromedriver || echo chromium-driver
    # Debian's own python: the PATH's may be another one, without Debian's packages.
    /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || echo python3-aiosmtpd
    # The exercise's clients are written with it.
    /usr/bin/python3 -c 'import requests' 2>/dev/null || echo python3-requests
    # Certificates for the mail tests.
    have openssl || echo openssl
    # `systemd-analyze` looks at the unit in deploy/.
    have systemd-analyze || echo systemd
    have node || echo nodejs
    have npm || echo npm
    has_postgresql || echo postgresql
}

has_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

install_packages() {
    local missing as_root=()
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -gt 0 ] || return 0

    step "installing Debian packages: ${missing[*]}"
    have apt-get || fail "there is no apt-get here; install what these Debian packages hold, then run this again: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "to install packages, run this once as root, or install sudo, or as root run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    # Thousands of lines, of interest only if it goes wrong.
    local log="$cache/apt-get.log"
    mkdir -p "$cache"
    local install=("${apt[@]}" install -y --no-install-recommends)
    if ! { "${apt[@]}" update && { has_postgresql || make_no_cluster; } && "${install[@]}" "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get failed (see above, all of it in $log): mend the network or the package sources, then run this again"
    fi

    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -eq 0 ] || fail "installed, but still not found: ${missing[*]}; is /usr/bin in PATH?"
}

# Debian's package makes a database of its own and starts it, now and at every boot; the tests start theirs. A function
# of install_packages, with its words.
make_no_cluster() {
    "${install[@]}" postgresql-common
    "${as_root[@]}" sed -i -E 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
}

# nginx and Caddy, for the tests that put Gatehouse behind them. Debian's packages would start both at port 80, now and at
# every boot; so, unless they are here already, they are unpacked into the cache and not installed.
unpack_servers() (
    mkdir -p "$cache/servers"
    exec 9>"$cache/servers.lock"
    flock 9
    local missing=()
    have nginx || missing+=(nginx)
    have caddy || missing+=(caddy)
    [ "${#missing[@]}" -gt 0 ] || return 0

    step "unpacking Debian packages into $cache/servers: ${missing[*]}"
    have apt-get || fail "there is no apt-get here; install these, then run this again: ${missing[*]}"
    local log="$cache/apt-get.log"
    cd "$cache/servers" || exit
    # Without lists of packages, or with old ones, there is nothing to get; only root may renew them.
    if ! apt-get -q download "${missing[@]}" >"$log" 2>&1; then
        local as_root=()
        [ "$(id -u)" -eq 0 ] || as_root=(sudo)
        if ! { "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update && apt-get -q download "${missing[@]}"; } </dev/null >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            fail "apt-get failed (see above, all of it in $log): mend the network or the package sources, or install these yourself: ${missing[*]}"
        fi
    fi
    local name
    for name in "${missing[@]}"; do
        dpkg-deb --extract "$name"_*.deb . && rm "$name"_*.deb
        { "$name" -v || "$name" version; } >>"$log" 2>&1 ||
            fail "$name does not run (see $log): install it yourself: apt-get install $name"
    done
)

check_node_version() {
    # What html-validate asks for.
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 6) || (major === 18 && minor >= 19) ? 0 : 1)' ||
        fail "node $(node --version) at $(command -v node) is too old: the HTML checks need 18.19 or 20.6 and later"
}

# npm packages are installed anew when package.json, package-lock.json or node's major version has changed.
install_node_packages() (
    mkdir -p "$GATEHOUSE_NODE_DIR"
    # Two test runs may share this cache.
    exec 9>"$cache/node.lock"
    flock 9
    wanted="$(node -p 'process.versions.modules') $(cat tests/browser/node/package{,-lock}.json | sha256sum)"
    # `npm ci` begins by removing node_modules, so the mark is there only after one that finished.
    mark="$GATEHOUSE_NODE_DIR/node_modules/.installed-for"
    [ "$(cat "$mark" 2>/dev/null)" != "$wanted" ] || return 0

    step "installing axe-core and html-validate into $GATEHOUSE_NODE_DIR"
    cp tests/browser/node/package.json tests/browser/node/package-lock.json "$GATEHOUSE_NODE_DIR/"
    (cd "$GATEHOUSE_NODE_DIR" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) ||
        fail "npm ci failed (see above): is the npm registry reachable? Once it is mended, run this again"
    printf '%s\n' "$wanted" >"$mark"
)

find_cargo() {
    # A shell that is no log-in shell may lack rustup's folder.
    have cargo || PATH="$PATH:$HOME/.cargo/bin"
    have cargo || fail "Rust is missing: install it with rustup (https://rustup.rs), then run this again"
}

find_cargo
install_packages
unpack_servers
check_node_version
install_node_packages
