#!/bin/bash
# What one echoed 64-byte message costs the server over each backend: CPU nanoseconds and system calls, least,
# median and most of several rounds. In each round all backends take their turn, in another order each time, so
# that whatever else the machine does hits them alike.
# Usage: compare-backends.sh PROGRAM [ROUNDS] [SECONDS] [BACKEND…]. PROGRAM is the built example `echo` of net.
set -euo pipefail
program=$1
rounds=${2:-7}
seconds=${3:-2}
shift $(($# < 3 ? $# : 3))
backends=("$@")
[ $# -gt 0 ] || backends=(epoll basic modern)
# Connections, and messages a second over all of them; 0 is as fast as the answers come.
cases=("16 0" "256 0" "10000 0" "256 2000" "10000 2000")

results=$(mktemp)
trap 'rm -f "$results"' EXIT
for round in $(seq "$rounds"); do
    for case in "${cases[@]}"; do
        read -r connections rate <<<"$case"
        for backend in $(printf '%s\n' "${backends[@]}" | shuf); do
            # Over basic, the kernel refuses what Linux 5.1 had not.
            restrict=()
            [ "$backend" != basic ] || restrict=(RINGDESK_RESTRICT_51=1)
            line=$(env "${restrict[@]}" "$program" "$backend" "$connections" "$seconds" "$rate" | tail -1)
            echo "$connections $rate $backend $line" >>"$results"
        done
    done
    echo "round $round of $rounds" >&2
done

echo "| connections | messages/s | backend | CPU ns a message: min / median / max | system calls a message |"
echo "|---|---|---|---|---|"
for case in "${cases[@]}"; do
    read -r connections rate <<<"$case"
    for backend in "${backends[@]}"; do
        # Fields of a line: connections rate backend Name: N messages, NS ns CPU each, CALLS system calls each, …
        nanoseconds=$(awk -v c="$connections" -v r="$rate" -v b="$backend" \
            '$1 == c && $2 == r && $3 == b { print $7 }' "$results" | sort -n)
        calls=$(awk -v c="$connections" -v r="$rate" -v b="$backend" \
            '$1 == c && $2 == r && $3 == b { print $11 }' "$results" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
        spread=$(awk '{ v[NR] = $1 } END { printf "%d / **%d** / %d", v[1], v[int((NR + 1) / 2)], v[NR] }' <<<"$nanoseconds")
        speed=$rate
        [ "$rate" != 0 ] || speed="as they come"
        echo "| $connections | $speed | $backend | $spread | $calls |"
    done
done
