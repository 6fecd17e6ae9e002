#!/usr/bin/env bash
# Builds the release programs so that whoever builds the same commit with the same tools gets the same bytes.
#
# Usage: scripts/release.sh [FOLDER]      (release/ of cargo's target folder, where the programs are built, unless said)
# Leaves the four programs, LICENSE files and SHA256SUMS in FOLDER. No path of this machine is in them: what the compilers would
# write down is replaced by where it stands in the project, or in cargo's home.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh

case ${1:-} in
-h | --help)
    print_usage scripts/release.sh
    exit 0
    ;;
-*) usage_error "there is no option $1" ;;
esac

programs=(controller helper traveller worker)
need_build_tools
target=$(target_dir)
folder=${1:-$target/release-$(git rev-parse --short=12 HEAD 2>/dev/null || say unversioned)}
home=${CARGO_HOME:-$HOME/.cargo}

for path in "$home" "$PWD" "$target"; do
    [[ $path != *' '* ]] || die "a space is in the path $path: C compilers' flags cannot hold it" "clone into another folder"
done
# A longer path comes after the shorter one that it may stand in: the last that fits is taken.
remap=("$home=/cargo" "$PWD=/a2a" "$target=/target")
flags=''
for pair in "${remap[@]}"; do
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$pair"
    flags="$flags -ffile-prefix-map=$pair"
done
export RUSTFLAGS
# For the C and C++ in AWS-LC, mimalloc and SQLite.
export CFLAGS="${CFLAGS:-}$flags" CXXFLAGS="${CXXFLAGS:-}$flags"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || say 0)
export SOURCE_DATE_EPOCH CARGO_INCREMENTAL=0

build_programs release
mkdir -p "$folder"
for program in "${programs[@]}"; do cp "$bin_dir/$program" "$folder/"; done
cp LICENSE* "$folder/"
cd "$folder"
if has sha256sum; then sum=(sha256sum); else sum=(shasum -a 256); fi
"${sum[@]}" "${programs[@]}" | tee SHA256SUMS
good "$(rustc --version), $(${CC:-cc} --version | head -n 1): in $folder"
