#!/bin/bash
# Runs the Autobahn Testsuite against ringdesk-echo over each backend, and fails unless each case passes.
# Usage: autobahn.sh FOLDER_WITH_BINARIES FOLDER [BACKEND…]. The suite and the reports go to FOLDER; a suite that
# is there already is used.
#
# Cases 12 and 13 are left out: they are permessage-deflate, which is optional and which we do not speak.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binaries=$1
folder=$(realpath -m "$2")
shift 2
backends=("$@")
[ $# -gt 0 ] || backends=(modern basic epoll)
# Of the 517 cases of version 25.10.1, those that are not 12 or 13.
cases=301
# A run takes one to two minutes; one that takes this long hangs.
seconds_max=900

server=
stop() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    server=
}
trap stop EXIT
trap 'exit 1' INT TERM

# Starts the server on a free port of loopback; `address` says where.
start() {
    local backend=$1 log=$2
    # Over basic, the kernel refuses what Linux 5.1 had not.
    local restrict=()
    [ "$backend" != basic ] || restrict=(RINGDESK_RESTRICT_51=1)
    env "${restrict[@]}" "$binaries/ringdesk-echo" --listen 127.0.0.1:0 --backend "$backend" >"$log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        address=$(sed -n "s/^listening on \(.*\) (backend $backend)$/\1/p" "$log")
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    cat "$log" >&2
    echo "autobahn: ringdesk-echo did not start over $backend" >&2
    exit 1
}

# Runs the suite over one backend and prints what came of it.
check() {
    local backend=$1 reports=$folder/reports/$1
    rm -rf "$reports"
    mkdir -p "$reports"
    start "$backend" "$reports/server.log"
    cat >"$reports/specification.json" <<JSON
{"outdir": "$reports", "servers": [{"agent": "$backend", "url": "ws://$address"}],
 "cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}
JSON
    if ! timeout "$seconds_max" "$folder/suite/wstest" -m fuzzingclient -s "$reports/specification.json" \
        >"$reports/suite.log" 2>&1; then
        tail "$reports/suite.log" >&2
        echo "autobahn: the suite itself failed over $backend" >&2
        return 1
    fi
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$reports/server.log" >&2
        echo "autobahn: ringdesk-echo ended during the run over $backend" >&2
        return 1
    fi
    stop
    if [ ! -f "$reports/index.json" ]; then
        tail "$reports/suite.log" >&2
        echo "autobahn: the suite left no report over $backend" >&2
        return 1
    fi
    "$here/autobahn/summary.py" "$reports/index.json" "$cases"
}

[ -x "$folder/suite/wstest" ] || "$here/autobahn/install.sh" "$folder/suite"
failed=0
for backend in "${backends[@]}"; do
    check "$backend" || failed=1
    stop
done
exit $failed
