#!/bin/sh
# 2,000 sessions chat for a minute over each backend, and 2,000 idle ones tell what a session weighs. Fails if
# anything is lost. Usage: two-thousand.sh FOLDER_WITH_BINARIES [SECONDS] [MESSAGES_PER_SECOND_AND_SESSION]
set -eu
binaries=$1
seconds=${2:-60}
rate=${3:-0.1}
password="only for this run"
listen=127.0.0.1:18080
metrics=127.0.0.1:19090

data=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    server=
}
trap 'stop; rm -rf "$data"' EXIT
trap 'exit 1' INT TERM

start() {
    "$binaries/ringdesk" serve --listen $listen --metrics $metrics --data "$data" --backend "$1" >"$data/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        grep -q "Metrics:" "$data/log" && return
        sleep 0.1
    done
    cat "$data/log"
    exit 1
}

for backend in modern basic epoll; do
    echo "== $backend: 2,000 sessions, $seconds s, $rate messages/s each"
    start $backend
    echo "$password" | "$binaries/ringdesk-load" chat --url http://$listen --sessions 2000 --agents 20 \
        --seconds "$seconds" --rate-per-session "$rate" --data "$data" --ringdesk "$binaries/ringdesk" \
        --password-stdin --server-pid $server
    stop
    echo "== $backend: 2,000 idle sessions"
    start $backend
    "$binaries/ringdesk-load" idle --url http://$listen --sessions 2000 --seconds 5 --server-pid $server
    stop
done
