#!/usr/bin/env bash
# Installs what .ci/run needs besides Rust: cargo-deny, into target/tools. Takes some minutes the first time.
#
# Usage: scripts/tools.sh
# Prints where the tools are as its last line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

cargo_deny=0.20.2

need_build_tools
tools=$(target_dir)/tools
if [[ $("$tools/bin/cargo-deny" --version 2>/dev/null) != "cargo-deny $cargo_deny" ]]; then
    say "Installing cargo-deny $cargo_deny into $tools; this takes some minutes." >&2
    # Without optimisation it is built in half the time and is fast enough.
    cargo install --quiet --locked --debug --version "$cargo_deny" --root "$tools" cargo-deny >&2
fi
say "$tools/bin"
