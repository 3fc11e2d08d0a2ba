#!/bin/bash
# Kills the server with -9 again and again while visitors and agents talk, and proves that nothing acknowledged
# was lost: the clients' ledger against what the API shows of every conversation. Exits with 1 if anything is wrong.
#
# Usage: kill-loop.sh FOLDER_WITH_BINARIES KILLS [forget]
#   forget: the proof that this check can fail. After the last kill the data folder is put back to where it was one
#           kill before, as if the server had lost what it had acknowledged since. Exits with 0 if that is found.
# From the environment: BACKEND (auto), SESSIONS (300), AGENTS (6), RATE (1 message/s each), LEASE_MS (10000),
#   SHARDS (the server's choice; or a list such as "2 1 3", of which each start takes the next), SEED (1; of the
#   moments of the kills and of the schedule), PORT (18090; the next one is for metrics), OUT (a folder for the
#   report and the logs; else they are kept only if the run fails).
set -eu
binaries=$1
kills=$2
mode=${3:-}
backend=${BACKEND:-auto}
sessions=${SESSIONS:-300}
agents=${AGENTS:-6}
seed=${SEED:-1}
read -ra shards <<<"${SHARDS:-}"
# Below the ports that Linux gives to clients: none of ours may take it while the server is dead.
port=${PORT:-18090}
listen=127.0.0.1:$port
metrics=127.0.0.1:$((port + 1))
# Every how-many-th kill strikes while the server starts and reads its journal.
early=10
# Longest wait for the server to be ready, or for the load to talk, in twentieths of a second.
patience=1200

[ "$kills" -ge 2 ] || { echo "KILLS must be 2 or more"; exit 2; }
work=$(mktemp -d)
data=$work/data
server=
load=
passed=
cleanup() {
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    { wait; } 2>/dev/null || true
    if [ -n "${OUT:-}" ]; then
        mkdir -p "$OUT" && cp "$work"/*.log "$work/report.json" "$OUT" 2>/dev/null || true
    fi
    if [ -n "$passed" ]; then rm -rf "$work"; else echo "kept for you to look at: $work"; fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $1"
    tail -n 5 "$work/server.log" "$work/load.log" 2>/dev/null || true
    exit 1
}

start() {
    echo "== start $1" >>"$work/server.log"
    : >"$work/banner"
    local some=()
    [ ${#shards[@]} = 0 ] || some=(--shards "${shards[$1 % ${#shards[@]}]}")
    "$binaries/ringdesk" serve --listen "$listen" --metrics "$metrics" --data "$data" --backend "$backend" \
        --agent-lease-ms "${LEASE_MS:-10000}" "${some[@]}" >"$work/banner" 2>>"$work/server.log" &
    server=$!
}

# Until the banner names the last port.
ready() {
    for _ in $(seq $patience); do
        ! grep -q "Metrics:" "$work/banner" || return 0
        kill -0 "$server" 2>/dev/null || { server=; fail "the server ended by itself"; }
        sleep 0.05
    done
    fail "the server was not ready in time"
}

# Kills the server, which must be alive until then.
strike() {
    kill -9 "$server" 2>/dev/null || { server=; fail "the server ended by itself"; }
    { wait "$server"; } 2>/dev/null || true
    server=
}

milliseconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }

RANDOM=$seed
start 0
ready
# It speaks until it is told to stop; the seconds are only more than the kills can take.
echo "only for this run" | "$binaries/ringdesk-load" chat --url "http://$listen" --sessions "$sessions" \
    --agents "$agents" --seconds $((kills * 5 + 120)) --rate-per-session "${RATE:-1}" --seed "$seed" \
    --data "$data" --ringdesk "$binaries/ringdesk" --password-stdin --verify "$sessions" \
    --until-file "$work/enough" --out "$work" >"$work/load.log" 2>&1 &
load=$!
for _ in $(seq $patience); do
    ! grep -q "acknowledged [1-9]" "$work/load.log" || break
    kill -0 "$load" 2>/dev/null || fail "the load did not begin"
    sleep 0.05
done

struck_early=0
for ((kill = 1; kill <= kills; kill++)); do
    if [ $((kill % early)) = 0 ]; then
        sleep "$(milliseconds $((RANDOM % 100)))"
        struck_early=$((struck_early + 1))
    else
        ready
        sleep "$(milliseconds $((300 + RANDOM % 1701)))"
    fi
    kill -0 "$load" 2>/dev/null || fail "the load ended after $kill kills"
    strike
    if [ "$mode" = forget ]; then
        [ $kill != $((kills - 1)) ] || cp -a "$data" "$work/before"
        [ $kill != $kills ] || { rm -rf "$data" && mv "$work/before" "$data"; }
    fi
    start $kill
    [ $((kill % 10)) != 0 ] || echo "$kill kills: $(grep acknowledged "$work/load.log" | tail -n 1)"
done
ready
touch "$work/enough"
code=0
wait "$load" || code=$?
load=

# What the load found, in its own words, from "visitors  sent …" on.
sed -n '/^visitors  sent/,$p' "$work/load.log"
kill -0 "$server" 2>/dev/null || { server=; fail "the server ended by itself"; }
figure() { sed -nE "/$1/s/.*$2 ([0-9]+).*/\\1/p" "$work/load.log" | tail -n 1; }
lost=$(figure "^lost " lost)
missing=$(figure "^stored: " "acknowledged and not stored")
[ -n "$lost" ] && [ -n "$missing" ] || fail "the load came to no result"
echo "kill-loop: backend $backend  kills $kills ($struck_early of them at start)" \
    " acknowledged $(($(figure "^visitors +sent" "acknowledged") + $(figure "^agents +sent" "acknowledged")))" \
    " lost $lost  not stored $missing  doubled $(figure "^lost " "doubled")" \
    " out of order $(figure "^lost " "out of order")"
if [ "$mode" = forget ]; then
    [ $code = 1 ] && [ "$missing" -gt 0 ] || fail "what was forgotten was not found"
    echo "kill-loop: what was forgotten was found, as it must be"
else
    [ $code = 0 ] || fail "the load ended with $code"
    grep -q "^stored: $sessions conversations" "$work/load.log" || fail "not every conversation was compared"
fi
passed=yes
