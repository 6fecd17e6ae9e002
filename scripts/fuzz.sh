#!/usr/bin/env bash
# Fuzzes: each target for a while, from its seeds and from what earlier runs have found out about it.
#
# Usage: scripts/fuzz.sh [--short | SECONDS] [TARGET]
#   SECONDS   for each target (300)
#   --short   5 seconds for each; without a nightly compiler, the seeds and some of their mutants instead
#   TARGET    this one alone; fuzz/fuzz_targets/ has all of them
# Needs a nightly compiler and installs cargo-fuzz. What is found stands in fuzz/artifacts/TARGET/, and the exit code is 1.
# Prints how often each target ran.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

seconds=300 short=no only='' figures=''

main() {
    read_arguments "$@"
    need_build_tools
    if ! cargo +nightly --version >/dev/null 2>&1; then
        [[ $short == yes ]] || die "no nightly compiler is here" "rustup toolchain install nightly, or --short"
        say "No nightly compiler is here: the seeds and their mutants are run instead."
        cargo test --locked --package a2a-fuzz
        return
    fi
    PATH=$(scripts/tools.sh cargo-fuzz | tail -n 1):$PATH
    CARGO_TARGET_DIR=$(target_dir)/fuzz
    export PATH CARGO_TARGET_DIR
    # cargo-fuzz has no --locked of its own.
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
    for target in fuzz/fuzz_targets/*.rs; do
        target=$(basename "$target" .rs)
        [[ -n $only && $target != "$only" ]] || fuzz "$target"
    done
    heading "fuzz: nothing found"
    printf '%s' "$figures"
}

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
        --short) short=yes seconds=5 ;;
        -h | --help)
            print_usage scripts/fuzz.sh
            exit 0
            ;;
        *[!0-9]*)
            [[ -f fuzz/fuzz_targets/$1.rs ]] || usage_error "there is no target $1"
            only=$1
            ;;
        *) seconds=$1 ;;
        esac
        shift
    done
}

# fuzz TARGET. Without the address sanitizer: there is no unsafe code here, and the programs' allocator is not the one that
# it watches.
fuzz() {
    local log runs
    heading "$1, $seconds s"
    mkdir -p "fuzz/corpus/$1"
    log=$(mktemp)
    if ! cargo +nightly fuzz run --sanitizer none "$1" "fuzz/corpus/$1" "fuzz/seeds/$1" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        die "found in $1" "make it a seed (fuzz/seeds/$1/found-...), mend what it shows, and delete the artifact"
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rm -f "$log"
    figures+=$(printf '  %-24s%12s executions in %s s' "$1" "$runs" "$seconds")$'\n'
}

main "$@"
