#!/usr/bin/env bash
# Runs every test: units, vectors, end to end, adversarial, in pseudo-terminals; then the core on its Rust provider.
#
# Usage: scripts/test.sh [--fast]
#   --fast   without the core's second run
# Needs Rust (rust-toolchain.toml names the version) and a C compiler; says how to get what is missing. Installs
# PostgreSQL's server where Debian's packages can be installed without asking; where there is none, the tests on it are
# left out, and say so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

both=yes
case ${1:-} in
'') ;;
--fast) both=no ;;
-h | --help)
    print_usage scripts/test.sh
    exit 0
    ;;
*) usage_error "there is no option $1" ;;
esac
need_build_tools
get_postgres

heading "The programs, which the tests in pseudo-terminals run"
cargo build --locked

heading "All tests of the workspace"
cargo test --workspace --all-features --locked

if [[ $both == yes ]]; then
    heading "The core's tests on its pure-Rust provider"
    cargo test --package a2a-core --no-default-features --features rustcrypto --locked
fi
good "every test passed, in $SECONDS s"
