#!/usr/bin/env bash
# Builds everything and opens controller, traveller, helper and worker, each in a terminal of its own.
#
# Usage:
#   ./start_all.sh                   tmux panes; without tmux the desktop's terminal windows; else says what to type
#   ./start_all.sh --demo [--quick]  a whole conversation unattended, printed as it goes; leaves nothing behind
#
# Options (with their environment variables):
#   --controller-port PORT  A2A_CONTROLLER_PORT   5000; with --demo any free port
#   --helper-port PORT      A2A_HELPER_PORT       5001; likewise
#   --traveller-port PORT   A2A_TRAVELLER_PORT    5002; likewise
#   --worker-port PORT      A2A_WORKER_PORT       5003; likewise
#   --data-dir DIR          A2A_DATA_DIR          ./data: keys, certificates and logs, a folder for each program
#   --windows               the desktop's windows even where tmux is there
#   --quick                 builds without optimisation: ready sooner, a little slower
#   --help
#
# A second run joins the first. Leaving the first (Ctrl-b d in tmux, Ctrl-C elsewhere) stops all that it started.
# Exit codes: 0 all went well, 1 something failed, 2 an option was typed wrongly, 3 there is no terminal to open.
set -euo pipefail

called_from=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
# shellcheck source=scripts/lib/common.sh
source scripts/lib/common.sh
# shellcheck source=scripts/lib/terminals.sh
source scripts/lib/terminals.sh
# shellcheck source=scripts/lib/demo.sh
source scripts/lib/demo.sh

main() {
    read_options "$@"
    if [[ $mode == demo ]]; then
        check_ports
        need_build_tools
        build_programs "$profile"
        demo "$controller_port" "$helper_port" "$traveller_port" "$worker_port"
    else
        join_if_running
        check_ports
        need_build_tools
        build_programs "$profile"
        claim_run_dir
        open_terminals
    fi
}

read_options() {
    mode=open profile=release terminals=any
    controller_port=${A2A_CONTROLLER_PORT:-} helper_port=${A2A_HELPER_PORT:-}
    traveller_port=${A2A_TRAVELLER_PORT:-} worker_port=${A2A_WORKER_PORT:-}
    data_dir=${A2A_DATA_DIR:-$root/data}
    while [[ $# -gt 0 ]]; do
        case $1 in
        --demo) mode=demo ;;
        --quick) profile=dev ;;
        --windows) terminals=windows ;;
        --controller-port | --helper-port | --traveller-port | --worker-port | --data-dir)
            [[ $# -ge 2 ]] || usage_error "$1 needs a value"
            local name=${1#--}
            printf -v "${name//-/_}" '%s' "$2"
            shift
            ;;
        -h | --help)
            print_usage "$root/start_all.sh"
            exit 0
            ;;
        *) usage_error "there is no option $1" ;;
        esac
        shift
    done
    complete_options
}

complete_options() {
    local program port
    [[ $mode == demo ]] || {
        controller_port=${controller_port:-5000} helper_port=${helper_port:-5001}
        traveller_port=${traveller_port:-5002} worker_port=${worker_port:-5003}
    }
    for program in $programs; do
        port=$(named "${program}_port")
        printf -v "${program}_port" '%s' "${port:=0}"
        [[ $port =~ ^[0-9]{1,5}$ && $port -le 65535 ]] || usage_error "--$program-port $port is no port number"
        [[ $mode == demo || $port != 0 ]] || usage_error "--$program-port 0: people need to know the port"
    done
    [[ $data_dir == /* ]] || data_dir=$called_from/$data_dir
    ca_file=$root/certs/ca.pem
    # Another set of data has another controller, and with it another certificate.
    [[ $data_dir == "$root/data" ]] || ca_file=$data_dir/ca.pem
    run_dir=$data_dir/run
    # What is meant for one program must not reach all four.
    unset A2A_LISTEN A2A_DATA_DIR A2A_CA_FILE A2A_EXEC A2A_JSON A2A_HEADLESS A2A_CONTROLLER A2A_CONTROLLER_FINGERPRINT \
        A2A_AGENT_ID A2A_NAME A2A_ADDRESS A2A_ACCEPT A2A_CONTROLLER_ID
}

# A run that is going on is joined where it can be, else named.
join_if_running() {
    local pid
    pid=$(cat "$run_dir/start_all.pid" 2>/dev/null) || return 0
    kill -0 "$pid" 2>/dev/null || return 0
    if [[ -t 0 && -t 1 ]] && has tmux && tmux_ has-session -t a2a 2>/dev/null; then
        TMUX='' tmux_ attach-session -t a2a
        exit 0
    fi
    good "It runs already, started by process $pid."
    exit 0
}

claim_run_dir() {
    mkdir -p "$run_dir" "$(dirname "$ca_file")"
    chmod 700 "$data_dir"
    printf '%s\n' "$$" >"$run_dir/start_all.pid"
    trap 'rm -rf "$run_dir"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# A port in use is named before anything is built or started.
check_ports() {
    local program port taken=0
    for program in $programs; do
        port=$(named "${program}_port")
        if [[ $port != 0 ]] && port_is_taken "$port"; then
            bad "port $port is in use by $(port_holder "$port"), and the $program needs it"
            printf '  → %s\n' "stop that program, or choose another port: --$program-port PORT" >&2
            taken=1
        fi
    done
    [[ $taken == 0 ]] || exit 1
}

main "$@"
