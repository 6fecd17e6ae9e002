# What the scripts have in common: words on the screen, tools that have to be there, the build. To be sourced.
#
# Works with bash 3.2 too, which is what macOS has: no associative arrays, no `{fd}<`, no expansion of empty arrays.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' blue=$'\e[34m' magenta=$'\e[35m' cyan=$'\e[36m' dim=$'\e[2m'
    bold=$'\e[1m' plain=$'\e[0m'
else
    red='' green='' yellow='' blue='' magenta='' cyan='' dim='' bold='' plain=''
fi

say() { printf '%s\n' "$*"; }
heading() { printf '\n%s\n' "$bold$*$plain"; }
good() { printf '%s\n' "$green✓$plain $*"; }
bad() { printf '%s\n' "$red✗$plain $*" >&2; }

# die MESSAGE [NEXT]: what happened, and what to do about it.
die() {
    bad "$1"
    [[ -z ${2:-} ]] || printf '  → %s\n' "$2" >&2
    exit 1
}

# usage_error MESSAGE: what was typed does not fit.
usage_error() {
    bad "$1"
    printf '  → %s --help\n' "$0" >&2
    exit 2
}

# The comment at the top of a script, up to the first line that is none.
print_usage() { sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$1"; }

# Scripts without options of their own know this one.
case ${BASH_SOURCE[1]:-}:${1:-} in
*evidence/*:-h | *evidence/*:--help)
    print_usage "scripts/evidence/${BASH_SOURCE[1]##*/}"
    exit 0
    ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }

# The value of the variable with that name; empty if there is none.
named() { printf '%s' "${!1:-}"; }

# Cargo and a C compiler, or how to get them.
need_build_tools() {
    has cargo || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    has cargo || die "cargo is not here: Rust is needed to build" \
        "install it from https://rustup.rs: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    if [[ -z ${CC:-} ]] && ! has cc && ! has gcc && ! has clang; then
        die "no C compiler is here: AWS-LC, the cryptography, is built with one" "$(c_compiler_hint)"
    fi
}

c_compiler_hint() {
    if has apt-get; then
        say "sudo apt-get install build-essential"
    elif has dnf; then
        say "sudo dnf install gcc"
    elif has pacman; then
        say "sudo pacman -S base-devel"
    elif has apk; then
        say "apk add build-base"
    elif [[ $(uname) == Darwin ]]; then
        say "xcode-select --install"
    else
        say "install gcc or clang"
    fi
}

# build_programs PROFILE: builds the four programs (dev or release) and sets `bin_dir` to where they are. Shows only how
# far it is, and all of cargo's words if it fails.
build_programs() {
    local profile=$1 folder=release log
    [[ $profile == release ]] || folder=debug
    log=$(mktemp)
    if ! quietly_build "$log" --locked --profile "$profile"; then
        cat "$log" >&2
        rm -f "$log"
        die "the build failed" "mend what the lines above name"
    fi
    rm -f "$log"
    bin_dir=$(target_dir)/$folder
}

quietly_build() {
    local log=$1 line count=0
    shift
    cargo build "$@" 2>&1 | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in
        *Compiling*)
            count=$((count + 1))
            line=${line#*Compiling }
            [[ ! -t 1 ]] || printf '\r\e[K%s' "Building, crate $count: ${line%% *}"
            [[ -t 1 || $count != 1 ]] || say "Building; the first time takes some minutes."
            ;;
        esac
    done
    local result=${PIPESTATUS[0]}
    [[ ! -t 1 ]] || printf '\r\e[K'
    return "$result"
}

target_dir() {
    local found
    found=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    [[ -n $found ]] || die "cargo does not say where it builds"
    say "$found"
}

# Whether something listens on a port of this machine.
port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Which program holds a port, as far as this user may know.
port_holder() {
    local found=''
    if has ss; then
        found=$(ss -Hltnp "sport = :$1" 2>/dev/null |
            sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p')
    elif has lsof; then
        found=$(lsof -nP -iTCP:"$1" -sTCP:LISTEN 2>/dev/null | awk 'NR == 2 { print $1 " (process " $2 ")" }')
    fi
    say "${found:-a program that this user may not see}" | head -n 1
}

# end_process PID: politely, then for good. Returns when it has gone.
end_process() {
    local pid=$1 tenths=0
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        tenths=$((tenths + 1))
        if [[ $tenths == 100 ]]; then
            kill -KILL "$pid" 2>/dev/null
            return 0
        fi
        sleep 0.1
    done
}

# Where the tests look for it, too.
has_postgres() {
    has postgres || [[ -x $(pg_config --bindir 2>/dev/null || true)/postgres ]] ||
        compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# PostgreSQL's server, installed where Debian's packages can be installed without asking. Once it is there, the tests that
# need it may not be left out.
get_postgres() {
    local as_root=() package
    if ! has_postgres && has apt-get; then
        heading "PostgreSQL, for the tests of the controller's store"
        [[ $(id -u) == 0 ]] || as_root=(sudo -n)
        for package in update 'install --yes postgresql'; do
            # shellcheck disable=SC2086  # words
            DEBIAN_FRONTEND=noninteractive ${as_root[@]+"${as_root[@]}"} apt-get $package || true
        done
    fi
    if has_postgres; then export A2A_REQUIRE_POSTGRES=1; fi
}

# PostgreSQL's server, or how to get it.
need_postgres() {
    get_postgres
    has_postgres || die "no PostgreSQL server is here" "sudo apt-get install postgresql, or put its programs on the PATH"
}

# run_example NAME ARGUMENTS...: builds and runs an example of a2a-test, which finds the programs in `bin_dir`. What it
# prints is left in `figures`. `example_profile` is how it is built: dev, unless said.
run_example() {
    local name=$1 output
    shift
    output=$(mktemp)
    if ! A2A_BIN_DIR=${bin_dir:-} cargo run --quiet --locked --profile "${example_profile:-dev}" --package a2a-test --example "$name" -- "$@" >"$output"; then
        cat "$output" >&2
        rm -f "$output"
        die "what was to be shown does not hold"
    fi
    figures=$(sed 's/^/  /' "$output")
    rm -f "$output"
}
