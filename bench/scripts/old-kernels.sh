#!/bin/bash
# Boots real older kernels in QEMU and lets the server hold a conversation on each, with the backend that it
# chooses by itself: as the kernel is, and where io_uring is forbidden or its memory short. Prints a table, and
# fails unless each server worked on the backend that is expected there. On each kernel the conformance suite of
# every backend that it has runs, too.
# Usage: old-kernels.sh FOLDER_WITH_STATIC_BINARIES FOLDER. Kernels and logs go to FOLDER; a kernel that is there
# already is used. The binaries: ringdesk, ringdesk-load, without_io_uring, conformance; none needs a library.
#
# The kernels are Debian's, taken from the mirror that this machine's own apt uses, and unpacked, not installed.
# The machine is emulated: times mean nothing here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binaries=$(realpath "$1")
folder=$(realpath -m "$2")
# Release, kernel, and for each mode the backend that has to be chosen.
kernels=(
    "bullseye 5.10 conformance:basic,epoll plain:basic eperm:epoll enosys:epoll memory:epoll"
    "bookworm 6.1 conformance:modern,basic,epoll plain:modern eperm:epoll enosys:epoll memory:modern"
    "trixie 6.12 conformance:modern,basic,epoll plain:modern eperm:epoll enosys:epoll memory:modern disabled:epoll"
)
# An emulated machine needs some seconds to boot and a minute for all else; one that takes this long hangs.
seconds_max=600

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/logs"
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
need() {
    command -v "$1" >/dev/null || { $sudo apt-get update; $sudo apt-get install -y --no-install-recommends "$2"; } >&2
}
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio

# apt with lists of its own, so that the machine's stay as they are.
own_apt() {
    local command=$1
    shift
    "$command" -o Dir::Etc::sourcelist="$folder/apt/sources" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=root \
        -o APT::Architecture=amd64 "$@"
}

# Gets the newest kernel of a release; prints the path of its image.
kernel() {
    local release=$1 version=$2 image package
    image=$folder/kernels/$version
    if [ ! -f "$image" ]; then
        mkdir -p "$folder/kernels" "$folder/unpacked"
        own_apt apt-get update -q >"$folder/logs/apt" 2>&1
        package=$(own_apt apt-cache show linux-image-amd64 | grep -oE "linux-image-$version\.[^ ]*-amd64" | sort -Vu | tail -1)
        (cd "$folder/unpacked" && own_apt apt-get download -q "$package" >>"$folder/logs/apt" 2>&1)
        dpkg-deb --fsys-tarfile "$folder/unpacked/$package"_*.deb |
            tar -x -C "$folder/unpacked" --wildcards './boot/vmlinuz-*'
        mv "$folder/unpacked/boot/vmlinuz-$version"* "$image"
    fi
    echo "$image"
}

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 !~ /security|updates/ { print $1; exit }')
[ -n "$mirror" ] || { echo "old-kernels: this machine's apt has no source of Debian packages" >&2; exit 1; }
for entry in "${kernels[@]}"; do
    read -r release _ <<<"$entry"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main"
done >"$folder/apt/sources"

# The guest's whole file system is in memory: a shell, our programs and the script that runs them.
root=$folder/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
for program in ringdesk ringdesk-load without_io_uring conformance; do
    cp "$binaries/$program" "$root/bin/"
    strip "$root/bin/$program"
done
cp "$here/old-kernels/init" "$root/init"
echo "nobody:x:65534:65534::/tmp:/bin/sh" >"$root/etc/passwd"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initrd"

failed=0
echo "| kernel | as it is, or what is in the way | backend | conversation | what the log says |"
echo "|---|---|---|---|---|"
for entry in "${kernels[@]}"; do
    read -r release version modes <<<"$entry"
    image=$(kernel "$release" "$version")
    log=$folder/logs/$version
    timeout "$seconds_max" qemu-system-x86_64 -accel tcg -cpu max -m 2048 -smp 2 -display none -no-reboot -monitor none \
        -serial "file:$log" -kernel "$image" -initrd "$folder/initrd" \
        -append "console=ttyS0 quiet panic=-1 desk.modes=${modes// /+}" || echo "the machine hung" >>"$log"
    for mode in $modes; do
        # What the guest said of it: RESULT|kernel|mode|expected|backend|conversation|log line
        line=$(tr -d '\r' <"$log" | grep -F "RESULT|" | grep -F "|${mode%%:*}|" || true)
        IFS='|' read -r _ running mode_name expected backend conversation why <<<"$line"
        echo "| ${running:-$version} | ${mode_name:-${mode%%:*}} | ${backend:-none} | ${conversation:-no answer} | ${why:-} |"
        [ "${backend:-none}" = "${expected:-}" ] && [ "$conversation" = works ] || failed=1
    done
done
[ "$failed" = 0 ] || echo "old-kernels: not as expected; the guests' consoles are in $folder/logs" >&2
exit "$failed"
