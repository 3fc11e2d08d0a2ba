#!/bin/bash
# Puts the Autobahn Testsuite into a folder, for a Debian 12 machine on x86-64. Usage: install.sh FOLDER
#
# The suite speaks Python 2.7, which Debian 12 no longer has. So the interpreter comes from Debian 11's packages,
# unpacked and not installed: nothing of the system changes and root is not needed, unless pip is missing. Versions
# of what pip fetches are pinned with their hashes beside this script; what apt fetches is signed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=$(realpath -m "$1")
debian_release=bullseye
debian_packages=(libffi7 libssl1.1 libpython2.7-dev libpython2.7-minimal libpython2.7-stdlib python2.7 python2.7-minimal
    python-pkg-resources python-setuptools)

fail() {
    echo "autobahn: $1" >&2
    exit 1
}

# Where this machine already gets its Debian packages from.
debian_mirror() {
    local file
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        [ -f "$file" ] || continue
        sed -nE -e 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p' \
            -e 's/^deb([[:space:]]+\[[^]]*\])?[[:space:]]+([^[:space:]]+)[[:space:]].*/\2/p' "$file"
    done | awk '!/-security/ && !found++'
}

install_pip() {
    local sudo=sudo
    [ "$(id -u)" != 0 ] || sudo=
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends python3-pip
}

# apt with lists, cache and status of its own.
apt_here() {
    apt-get -qq -o Dir::Etc::sourcelist="$suite/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$suite/apt/state" -o Dir::State::status="$suite/apt/status" \
        -o Dir::Cache="$suite/apt/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}

download_interpreter() {
    local mirror package
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || fail "no Debian mirror in /etc/apt; add one, or run this on Debian 12"
    mkdir -p "$suite"/apt/{state/lists/partial,cache/archives/partial} "$suite"/{debs,root}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $debian_release main" \
        >"$suite/apt/sources.list"
    : >"$suite/apt/status"
    apt_here update
    (cd "$suite/debs" && apt_here download "${debian_packages[@]}")
    for package in "$suite"/debs/*.deb; do
        dpkg -x "$package" "$suite/root"
    done
}

# The suite's own archives are copied, not installed: their installers need the Python that is not there.
download_suite() {
    local archive wheel
    mkdir -p "$suite"/{wheels,sources,unpacked,site}
    python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: -d "$suite/wheels" \
        --python-version 27 --implementation cp --abi cp27mu --platform manylinux2010_x86_64 \
        --platform manylinux1_x86_64 --platform any -r "$here/wheels.txt"
    python3 -m pip download -q --no-deps --require-hashes --no-binary=:all: -d "$suite/sources" \
        -r "$here/sources.txt"
    for wheel in "$suite"/wheels/*.whl; do
        (cd "$suite/site" && python3 -m zipfile -e "$wheel" .)
    done
    for archive in "$suite"/sources/*.tar.gz; do
        tar -C "$suite/unpacked" -xzf "$archive"
    done
    cp -r "$suite"/unpacked/{autobahn-[0-9]*/autobahn,autobahntestsuite-*/autobahntestsuite,txaio-*/txaio} \
        "$suite/site/"
    touch "$suite/site/zope/__init__.py"
}

# Masks and UTF-8 in C: in Python they take 200 ms of each message of 128 KiB, and the cases of compression have a
# thousand of them each.
build_accelerators() {
    local include=$suite/root/usr/include module
    mkdir -p "$suite/site/wsaccel"
    cp "$suite"/unpacked/wsaccel-*/wsaccel/__init__.py "$suite/site/wsaccel/"
    for module in xormask utf8validator; do
        cc -O2 -fno-strict-aliasing -fPIC -shared -w -I "$include" -I "$include/python2.7" \
            -o "$suite/site/wsaccel/$module.so" "$suite"/unpacked/wsaccel-*/wsaccel/$module.c
    done
}

write_command() {
    cat >"$suite/wstest.new" <<'WSTEST'
#!/bin/bash
# Starts the Autobahn Testsuite that lies beside this file.
suite=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH=$suite/root/usr/lib/x86_64-linux-gnu PYTHONHOME=$suite/root/usr
export PYTHONPATH=$suite/site:$suite/root/usr/lib/python2.7/dist-packages
exec "$suite/root/usr/bin/python2.7" -c 'from autobahntestsuite.wstest import run; run()' "$@"
WSTEST
    chmod +x "$suite/wstest.new"
    # Last, and at once: who finds the command finds a whole suite.
    mv "$suite/wstest.new" "$suite/wstest"
}

[ "$(uname -m)" = x86_64 ] || fail "the suite's wheels exist for x86-64 only; this is $(uname -m)"
for program in apt-get dpkg cc; do
    command -v "$program" >/dev/null || fail "$program is needed; run this on Debian 12"
done
python3 -m pip --version >/dev/null 2>&1 || install_pip

rm -rf "$suite"
mkdir -p "$suite"
download_interpreter
download_suite
build_accelerators
write_command
"$suite/wstest" --help >/dev/null || fail "the suite was fetched but does not start"
