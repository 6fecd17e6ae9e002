#!/usr/bin/env bash
# Installs tools that checks need besides Rust, into target/tools. Takes some minutes the first time.
#
# Usage: scripts/tools.sh [TOOL]...      (cargo-deny, which is all that .ci/run needs, unless said)
# Tools: cargo-deny, cargo-fuzz, cargo-llvm-cov, cargo-mutants, verifpal.
# Prints where the tools are as its last line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

version_of() {
    case $1 in
    cargo-deny) say 0.20.2 ;;
    cargo-fuzz) say 0.13.2 ;;
    cargo-llvm-cov) say 0.9.1 ;;
    cargo-mutants) say 27.1.0 ;;
    verifpal) say 1.6.7 ;;
    *) usage_error "there is no tool $1" ;;
    esac
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    print_usage scripts/tools.sh
    exit 0
fi
need_build_tools
tools=$(target_dir)/tools
[[ $# != 0 ]] || set -- cargo-deny
for tool in "$@"; do
    version=$(version_of "$tool")
    if ! cargo install --list --root "$tools" 2>/dev/null | grep -qx "$tool v$version:"; then
        say "Installing $tool $version into $tools; this takes some minutes." >&2
        options=(--locked)
        # Without optimisation it is built in half the time and is fast enough, but for one that searches. That one says that it
        # needs a newer compiler than ours, and does not.
        if [[ $tool == verifpal ]]; then options+=(--ignore-rust-version); else options+=(--debug); fi
        cargo install --quiet "${options[@]}" --version "$version" --root "$tools" "$tool" >&2
    fi
done
say "$tools/bin"
