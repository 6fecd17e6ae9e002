#!/usr/bin/env bash
# Measures how fast agents are, beside the fastest plain connection and the primitives, in one run; shows tables.
#
# Usage: scripts/bench.sh [--quick] [--write-docs] [--no-criterion] [OPTION OF a2a-bench run]...
#   --quick          a short run, to look at
#   --write-docs     put the figures and plots into docs/PERFORMANCE.md and docs/performance
#   --no-criterion   leave out criterion's benches of the core
# Tables, results.json and plots are left in bench/ of cargo's target folder. A run takes about ten minutes, a quick one two.
# Close what else runs: client and server share this machine's cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

main() {
    local quick='' docs='' criterion=yes out options=()
    while [[ $# -gt 0 ]]; do
        case $1 in
        --quick) quick=yes && options+=("$1") ;;
        --write-docs) docs=yes ;;
        --no-criterion) criterion='' ;;
        -h | --help) print_usage scripts/bench.sh && exit 0 ;;
        *) options+=("$1") ;;
        esac
        shift
    done
    need_build_tools
    heading "Building"
    cargo build --release --locked --package controller --package a2a-bench
    out=$(target_dir)/bench
    if [[ $criterion == yes ]]; then
        heading "Primitives, sealing, handshakes, one by one"
        run_criterion "$quick"
        options+=(--criterion "$(target_dir)/criterion")
    fi
    heading "Agents, the floor and the primitives, in turns"
    "$(target_dir)/release/a2a-bench" run --out "$out" ${options[@]+"${options[@]}"}
    [[ $docs != yes ]] || write_docs "$out"
    good "results in $out, in $SECONDS s"
}

run_criterion() {
    local settings=(--warm-up-time 0.5 --measurement-time 2 --sample-size 30)
    [[ $1 != yes ]] || settings=(--quick)
    cargo bench --locked --package a2a-core --all-features --benches -- --noplot "${settings[@]}"
}

# The figures stand between two marks; everything around them is written by hand.
write_docs() {
    local page=docs/PERFORMANCE.md new
    new=$(mktemp)
    {
        sed '/<!-- figures begin -->/q' "$page"
        say "" && versions && say "" && cat "$1/figures.md"
        sed -n '/<!-- figures end -->/,$p' "$page"
    } >"$new"
    cat "$new" >"$page"
    rm -f "$new"
    mkdir -p docs/performance
    cp "$1"/*.svg docs/performance/
    good "$page"
}

versions() {
    local name list=''
    for name in axum axum-server hyper rustls aws-lc-rs tokio reqwest snow vodozemac; do
        list="$list, $name $(sed -n "/^name = \"$name\"$/{n;s/version = \"\(.*\)\"/\1/p;}" Cargo.lock | tail -n 1)"
    done
    say "Versions: $(rustc --version | cut -d' ' -f1,2)$list."
}

main "$@"
