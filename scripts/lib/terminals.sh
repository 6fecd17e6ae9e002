# A terminal for each program: tmux panes, else the desktop's windows, else instructions. To be sourced.
#
# Expects: run_dir, bin_dir, data_dir, ca_file, and PROGRAM_port for each of the four programs.

programs="controller traveller helper worker"

# The command of one program, as an array `command`.
command_of() {
    local program=$1 port
    port=$(named "${program}_port")
    command=("$bin_dir/$program" --listen "127.0.0.1:$port" --data-dir "$data_dir/$program" --ca-file "$ca_file")
    [[ $program == controller ]] || command+=(--controller "https://localhost:$controller_port")
}

# The same with a window around it, as one line for a shell.
window_line() {
    local command
    command_of "$1"
    printf '%q ' "$root/scripts/lib/window.sh" "$1" "$run_dir/$1.pid" "${command[@]}"
}

# One terminal for each, until all are left. What has been started here is stopped here.
open_terminals() {
    if [[ -n ${CI:-} || ! -t 0 || ! -t 1 ]]; then
        instructions "there is no terminal here to open others from"
    elif has tmux && [[ $terminals != windows ]]; then
        in_tmux
    elif desktop_terminal; then
        in_windows
    else
        instructions "neither tmux nor a desktop's terminal is here"
    fi
}

in_tmux() {
    local columns lines
    columns=$(tput cols 2>/dev/null || echo 120)
    lines=$(tput lines 2>/dev/null || echo 40)
    tmux_ new-session -d -s a2a -n a2a -x "$columns" -y "$lines" "$(window_line controller)"
    # If the start breaks off, the controller does not stay behind.
    trap stop_all EXIT
    tmux_ set -g pane-border-status top \; set -g pane-border-format ' #{pane_title} ' \; set -g mouse on \; \
        set -g status-left '' \; set -g status-right '' \; set -g window-status-current-format \
        ' a2a  click: change pane | #{prefix} z: zoom | #{prefix} d: stop all and leave' \; \
        set -g allow-rename off \; select-pane -t a2a.0 -T controller
    wait_for_controller
    tmux_ split-window -v -l 65% -t a2a.0 "$(window_line traveller)" \; select-pane -T traveller \; \
        split-window -h -l 50% -t a2a.1 "$(window_line helper)" \; select-pane -T helper \; \
        split-window -h -l 50% -t a2a.0 "$(window_line worker)" \; select-pane -T worker \; \
        select-pane -t a2a.2
    TMUX='' tmux_ attach-session -t a2a || true
    stop_all
}

# A server of its own for each controller port: the user's own tmux, and its sessions, are left alone.
tmux_() { tmux -L "a2a-$controller_port" "$@"; }

desktop_terminal() {
    local candidate
    window_command=''
    if [[ $(uname) == Darwin ]] && has osascript; then
        window_command=osascript
    elif [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
        for candidate in x-terminal-emulator gnome-terminal konsole xfce4-terminal xterm; do
            if has "$candidate"; then
                window_command=$candidate
                break
            fi
        done
    fi
    [[ -n $window_command ]]
}

in_windows() {
    local program
    trap stop_all EXIT
    open_window controller
    wait_for_controller
    for program in traveller helper worker; do open_window "$program"; done
    good "controller, traveller, helper and worker run, each in a window of its own. Ctrl-C here stops them all."
    while any_runs; do sleep 1; done
}

open_window() {
    local line
    line=$(window_line "$1")
    case $window_command in
    osascript)
        line=${line//\\/\\\\}
        osascript -e "tell application \"Terminal\" to do script \"${line//\"/\\\"}\"" >/dev/null
        ;;
    gnome-terminal) gnome-terminal --title "$1" -- bash -c "$line" ;;
    xfce4-terminal) xfce4-terminal --disable-server --title "$1" -x bash -c "$line" & ;;
    *) "$window_command" -e bash -c "$line" & ;;
    esac
}

# The agents read the certificate that the controller writes, so they come after it.
wait_for_controller() {
    local tenths=0
    # A certificate of an earlier run may be there; the port is open only when the controller has looked after it.
    until [[ -s $ca_file && -s $run_dir/controller.pid ]] && port_is_taken "$controller_port"; do
        tenths=$((tenths + 1))
        [[ $tenths -lt 300 ]] || die "the controller does not answer on port $controller_port" \
            "look at $data_dir/controller/controller.log"
        sleep 0.1
    done
}

any_runs() {
    local program
    for program in $programs; do
        if [[ -s $run_dir/$program.pid ]] && kill -0 "$(<"$run_dir/$program.pid")" 2>/dev/null; then return 0; fi
    done
    return 1
}

stop_all() {
    local program pid
    trap - EXIT
    trap '' HUP INT TERM
    : >"$run_dir/stopping"
    # The agents first: they tell their peers that the sessions end.
    for program in traveller helper worker controller; do
        pid=$(cat "$run_dir/$program.pid" 2>/dev/null) || continue
        end_process "$pid"
    done
    ! has tmux || tmux_ kill-server 2>/dev/null || true
    rm -rf "$run_dir"
    good "All is stopped. Keys and certificates stay in $data_dir."
}

# The way by hand.
instructions() {
    local program command
    heading "Everything is built, but $1."
    say "Open four terminals, change to $root in each, and type one of these in each, the controller's first:"
    for program in $programs; do
        command_of "$program"
        printf '\n  '
        printf '%q ' "${command[@]}"
        printf '\n'
    done
    printf '\n%s\n' "Or let a whole conversation run by itself: ./start_all.sh --demo"
    exit 3
}
