#!/usr/bin/env bash
# What runs in each terminal: one program. If it fails, its words stay on the screen until somebody has read them.
#
#   scripts/lib/window.sh TITLE PID_FILE PROGRAM [ARGUMENTS...]
set -uo pipefail

title=$1 pid_file=$2
shift 2
printf '\e]2;%s\a' "$title"
# The program takes the place of a shell that has written its process id, so that whoever started this can stop it.
bash -c 'printf "%s\n" "$$" >"$0" && exec "$@"' "$pid_file" "$@"
code=$?
rm -f "$pid_file"
if [[ $code != 0 && ! -e ${pid_file%/*}/stopping ]]; then
    printf '\n%s ended with exit code %s. Press Enter to close.\n' "$title" "$code"
    read -r _
fi
exit "$code"
