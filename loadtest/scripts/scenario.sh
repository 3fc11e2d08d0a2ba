#!/bin/bash
# Runs one scenario against a server of its own on this machine: one server process, one generator process, each
# under a hard limit of FILES open files. Exits with 1 if anything was lost; missed targets are told, and no failure.
#
# Usage: scenario.sh FOLDER_WITH_BINARIES SCENARIO OUT [more for ringdesk-load …]
#   SCENARIO: a name (ringdesk-load list) or a TOML file. OUT: where report.html and the rest go.
# From the environment: FILES (20000), SHARDS (the server's choice), SERVER_CPUS and LOAD_CPUS (lists for taskset;
#   else both run on all), HEARTBEAT_MS (the server's choice), BACKEND (auto), PORT (18180; the next one is for metrics), DATA_UNDER (where the server's
#   data goes for the time of the run: OUT).
set -eu
binaries=$1
scenario=$2
out=$3
shift 3
port=${PORT:-18180}
listen=127.0.0.1:$port
metrics=127.0.0.1:$((port + 1))
# Longest wait for the server to be ready, in twentieths of a second.
patience=600

ulimit -n "${FILES:-20000}"
mkdir -p "$out"
data=$(mktemp -d "${DATA_UNDER:-$out}/data.XXXXXX")
server=
load=
# The server tells its clients before it ends, which may be a million who are gone: it has ten seconds.
cleanup() {
    for process in $load $server; do kill "$process" 2>/dev/null || true; done
    for _ in $(seq 100); do
        kill -0 "${server:-0}" 2>/dev/null || break
        sleep 0.1
    done
    for process in $load $server; do kill -9 "$process" 2>/dev/null || true; done
    { wait; } 2>/dev/null || true
    rm -rf "$data"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# Runs the rest of the line on the processors that the first word lists.
on() {
    local cpus=$1
    shift
    if [ -n "$cpus" ]; then exec taskset -c "$cpus" "$@"; else exec "$@"; fi
}

some=()
[ -z "${SHARDS:-}" ] || some=(--shards "$SHARDS")
[ -z "${HEARTBEAT_MS:-}" ] || some+=(--heartbeat-ms "$HEARTBEAT_MS")
(on "${SERVER_CPUS:-}" "$binaries/ringdesk" serve --listen "$listen" --metrics "$metrics" --data "$data" \
    --backend "${BACKEND:-auto}" "${some[@]}") >"$out/server.log" 2>&1 &
server=$!
for _ in $(seq $patience); do
    ! grep -q "Metrics:" "$out/server.log" || break
    kill -0 "$server" 2>/dev/null || { cat "$out/server.log"; exit 1; }
    sleep 0.05
done

echo "only for this run" >"$data/password"
(on "${LOAD_CPUS:-}" "$binaries/ringdesk-load" run "$scenario" --url "http://$listen" --data "$data" \
    --ringdesk "$binaries/ringdesk" --agent-password-file "$data/password" --server-pid "$server" --out "$out" \
    "$@") &
load=$!
code=0
wait "$load" || code=$?
load=
kill -0 "$server" 2>/dev/null || { echo "the server ended by itself; see $out/server.log"; exit 1; }
exit $code
