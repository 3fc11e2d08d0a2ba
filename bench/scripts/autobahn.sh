#!/bin/bash
# Runs the Autobahn Testsuite against ringdesk-echo over each backend, and fails unless each case passes.
# Usage: autobahn.sh FOLDER_WITH_BINARIES FOLDER [BACKEND…]. The suite and the reports go to FOLDER; a suite that
# is there already is used.
#
# Cases 12 and 13 are those of permessage-deflate: they run with it on, the others with it off.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binaries=$1
folder=$(realpath -m "$2")
shift 2
backends=("$@")
[ $# -gt 0 ] || backends=(modern basic epoll)
# Of the 517 cases of version 25.10.1, those that are not 12 or 13, and those that are.
plain_cases=301
deflate_cases=216
# A run takes some minutes; one that takes this long hangs.
seconds_max=3600

server=
stop() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    server=
}
trap stop EXIT
trap 'exit 1' INT TERM

# Starts the server on a free port of loopback, with what flags are left; `address` says where.
start() {
    local backend=$1 log=$2
    shift 2
    # Over basic, the kernel refuses what Linux 5.1 had not.
    local restrict=()
    [ "$backend" != basic ] || restrict=(RINGDESK_RESTRICT_51=1)
    env "${restrict[@]}" "$binaries/ringdesk-echo" --listen 127.0.0.1:0 --backend "$backend" "$@" >"$log" 2>&1 &
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

# Runs cases over one backend and prints what came of them; `extension` is `plain` or `deflate`.
check() {
    local backend=$1 extension=$2 reports=$folder/reports/$1-$2
    local selection cases flags
    case $extension in
    plain) cases=$plain_cases flags=() selection='"cases": ["*"], "exclude-cases": ["12.*", "13.*"]' ;;
    deflate) cases=$deflate_cases flags=(--deflate) selection='"cases": ["12.*", "13.*"], "exclude-cases": []' ;;
    esac
    rm -rf "$reports"
    mkdir -p "$reports"
    start "$backend" "$reports/server.log" "${flags[@]}"
    cat >"$reports/specification.json" <<JSON
{"outdir": "$reports", "servers": [{"agent": "$backend $extension", "url": "ws://$address"}],
 $selection, "exclude-agent-cases": {}}
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
    for extension in plain deflate; do
        check "$backend" "$extension" || failed=1
        stop
    done
done
exit $failed
