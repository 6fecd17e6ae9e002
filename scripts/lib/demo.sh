# The demo: a whole conversation, held by real programs over real TLS, typed and read by this script. To be sourced.
#
# Every program reads commands from a pipe and prints what a person would see. `type_into` types a line; `see` prints
# what the program says up to the line that must come. Nothing is simulated: if a line does not come, the demo fails.

demo_limit=30 # seconds for any one line; what is slow on a loaded machine takes two

# demo CONTROLLER_PORT HELPER_PORT TRAVELLER_PORT WORKER_PORT: port 0 takes any free one.
demo() {
    demo_dir=$(mktemp -d "${TMPDIR:-/tmp}/a2a-demo.XXXXXX")
    demo_pids=''
    trap 'demo_clean' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    SECONDS=0

    step "Start: the controller certifies, the worker looks after itself"
    demo_start controller 3 "$1"
    see controller " listening on "
    demo_controller=$(address_in "$seen")
    see controller "Fingerprint: "
    demo_start worker 4 "$4"
    see worker " listening on "
    demo_worker=$(address_in "$seen")
    see worker "✓ Certificate stored"
    demo_start helper 5 "$2"
    see helper " listening on "
    demo_helper=$(address_in "$seen")
    demo_start traveller 6 "$3"
    see traveller " listening on "

    demo_agree
    demo_compare
    demo_talk
    demo_worker_answers
    demo_leave
}

demo_agree() {
    step "Set-up: both agents pin the controller, enrol and get their certificates"
    type_into traveller "setup"
    see traveller "✓ Certificate stored"
    type_into helper "setup"
    see helper "✓ Certificate stored"

    step "Request and acceptance: no keys before a person has said yes"
    type_into traveller "request"
    type_ahead traveller "$demo_helper"
    type_ahead traveller "helper_agent_001"
    see traveller "✓ Communication request sent. Waiting for response..."
    see helper "Do you want to accept? (y/n):"
    type_into helper "y"
    see helper "✓ Request accepted. Session created: "
    see traveller "✓ Request accepted. Session created: "

    step "Key exchange"
    type_into traveller "keyexchange"
    type_ahead traveller "1"
    see traveller "✓ Key exchange successful! Secure channel ready."
    see helper "[SESSION] ✓ Secure channel with traveller_agent_001 established."
    see helper "opens the chat."
}

# Both lists have to name the same session, the same safety code and established keys.
demo_compare() {
    local program key
    step "Sessions: the same on both sides"
    for program in traveller helper; do
        type_into "$program" "sessions"
        for key in "Session: " "AES Key: " "Suite: " "Safety code: "; do
            see "$program" "$key"
            seen=${seen#*"$key"}
            printf -v "list_${program}" '%s' "$(named "list_$program")$key$seen"$'\n'
            [[ $key != "Session: " ]] || demo_session=$seen
        done
    done
    [[ $list_traveller == "$list_helper" ]] || demo_fail "the session lists differ"
    [[ $list_traveller == *"AES Key: Established ✓"* ]] || demo_fail "the keys are not established"
}

demo_talk() {
    step "Conversation: each line sealed by one side, opened by the other, acknowledged"
    type_into traveller "communicate helper_agent_001"
    see traveller "You can now chat securely. Type 'exit' to close."
    chat_line "Hello Helper! Can you hear me?" "Yes! Message received and decrypted successfully!"
    chat_line "This is amazing!" "Indeed! Nobody can read these messages but us!"

    step "Close: the keys are cleared on both sides"
    type_ahead traveller "exit"
    see traveller "✓ Session closed. Keys cleared."
    see helper "[SESSION] traveller_agent_001 closed the session. Keys cleared."
    for program in traveller helper; do
        type_into "$program" "sessions"
        see "$program" "No active sessions."
    done
}

# chat_line TEXT ANSWER: the traveller says it in its chat, the helper answers.
chat_line() {
    type_ahead traveller "$1"
    see traveller "✓ Delivered"
    see helper "[traveller_agent_001] > $1"
    type_into helper "send traveller_agent_001 $2"
    see helper "✓ Delivered"
    see traveller "[helper_agent_001] > $2"
}

demo_worker_answers() {
    step "The worker: nobody sits there; it accepts by policy and answers by itself"
    type_into traveller "request $demo_worker worker_agent_001"
    see traveller "✓ Communication request sent. Waiting for response..."
    see worker "accepted by policy. Session created: "
    see traveller "✓ Request accepted. Session created: "
    type_into traveller "keyexchange worker_agent_001"
    see traveller "✓ Key exchange successful! Secure channel ready."
    see worker "opens the chat."
    type_into traveller "send worker_agent_001 upper we made it"
    see worker "[traveller_agent_001] > upper we made it"
    # The answer may be there before the word that the question has arrived.
    see_both traveller "✓ Delivered" "[worker_agent_001] > WE MADE IT"
    type_into traveller "close worker_agent_001"
    see traveller "✓ Session closed. Keys cleared."
    see worker "[SESSION] traveller_agent_001 closed the session. Keys cleared."
}

demo_leave() {
    local program pid
    step "Leave"
    for program in traveller helper worker controller; do
        type_into "$program" "exit"
        pid=$(named "pid_$program")
        wait "$pid" || demo_fail "$program ended with exit code $?"
        demo_pids=${demo_pids/" $pid"/}
    done
    heading "Demo: passed in $SECONDS s"
    say "  session       $demo_session: the same id and safety code on both sides, keys established"
    say "  messages      2 from traveller to helper, 2 from helper to traveller; 1 answered by the worker"
    say "  closed        on both sides"
}

# demo_start PROGRAM FD PORT: starts it, with file descriptor FD to read from.
demo_start() {
    local program=$1 fd=$2 port=$3 dir=$demo_dir/$1
    local options=(--listen "127.0.0.1:$port" --data-dir "$dir" --ca-file "$demo_dir/ca.pem")
    [[ $program == controller ]] || options+=(--controller "$demo_controller")
    mkdir "$dir"
    mkfifo "$dir/in" "$dir/out"
    # Opened for both directions: neither side waits for the other, and no end of input comes by surprise.
    eval "exec $fd<>'$dir/out'"
    "$bin_dir/$program" "${options[@]}" 0<>"$dir/in" >"$dir/out" 2>"$dir/log" 3>&- 4>&- 5>&- 6>&- &
    printf -v "pid_$program" '%s' "$!"
    printf -v "out_$program" '%s' "$fd"
    demo_pids="$demo_pids $!"
}

# A line that is typed at a program's prompt. A pipe has no prompt, so it is shown here.
type_into() {
    local prompt=${1}_1
    [[ $1 != controller ]] || prompt=controller
    transcript "$1" "$bold$prompt> $2$plain"
    type_ahead "$1" "$2"
}

# A line for a question that the program asks; the program shows both.
type_ahead() { printf '%s\n' "$2" >"$demo_dir/$1/in"; }

# see_both PROGRAM ONE OTHER: what PROGRAM says, up to the second of these, whichever that is.
see_both() {
    see "$1" "$2" "$3"
    if [[ $seen == *"$2"* ]]; then see "$1" "$3"; else see "$1" "$2"; fi
}

# see PROGRAM TEXT [OR]: what PROGRAM says, up to the line that contains TEXT, or that one; the line is left in `seen`.
see() {
    local program=$1 text=$2 or=${3:-$2} deadline=$((SECONDS + demo_limit)) fd part rest
    fd=$(named "out_$program")
    while :; do
        part=''
        if IFS= read -r -t 1 -u "$fd" part; then
            seen=$(named "rest_$program")$part
            printf -v "rest_$program" ''
            # A prompt that a notice has cut off says nothing.
            [[ $seen == "[YOU] > " ]] || transcript "$program" "$seen"
            [[ $seen != *"$text"* && $seen != *"$or"* ]] || return 0
            continue
        fi
        rest=$(named "rest_$program")$part
        printf -v "rest_$program" '%s' "$rest"
        kill -0 "$(named "pid_$program")" 2>/dev/null || demo_fail "$program has ended before it said: $text"
        [[ $SECONDS -lt $deadline ]] || demo_fail "$program did not say within $demo_limit s: $text"
    done
}

transcript() {
    local colour=''
    case $1 in
    controller) colour=$magenta ;;
    traveller) colour=$blue ;;
    helper) colour=$green ;;
    worker) colour=$yellow ;;
    esac
    printf '%s%-11s│%s %s\n' "$colour" "$1" "$plain" "$2"
}

step() {
    demo_step=$1
    printf '\n%s── %s%s\n' "$dim" "$1" "$plain"
}

demo_fail() {
    local program
    bad "demo failed at \"$demo_step\": $1"
    for program in controller traveller helper worker; do
        [[ -s $demo_dir/$program/log ]] || continue
        printf '  last log lines of %s:\n' "$program" >&2
        tail -n 8 "$demo_dir/$program/log" | sed 's/^/    /' >&2
    done
    exit 1
}

demo_clean() {
    local pid
    trap - EXIT
    trap '' HUP INT TERM
    for pid in $demo_pids; do end_process "$pid"; done
    rm -rf "$demo_dir"
}

address_in() { sed 's|.*\(https://[^ ;]*\).*|\1|' <<<"$1" | sed 's|//127.0.0.1:|//localhost:|'; }
