# What scripts/demo and scripts/check share: find Python, make environments, install Debian packages.
# shellcheck shell=bash

die() {
    echo "$1" >&2
    exit 2
}

find_python() {
    local name
    for name in python3 python3.11 python3.12 python3.13 python3.14 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed and none was found: install it, then run this again."
}

may_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# Those of the given Debian packages that are not installed, under this name or a newer one.
missing_packages() {
    local name status
    for name in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$name" "${name}t64" 2>/dev/null || true)
        [[ $status == *ii* ]] || echo "$name"
    done
}

# need_packages WHAT NAME...: install what is missing, or say it in one sentence.
need_packages() {
    local what=$1 missing
    shift
    command -v dpkg-query >/dev/null || return 0
    missing=$(missing_packages "$@" | xargs)
    [ -z "$missing" ] && return
    may_install || die "Debian packages are missing for $what; install them: sudo apt-get install $missing"
    # shellcheck disable=SC2086
    apt_install $missing
}

# make_environment FOLDER: a virtual environment with a working pip, made once.
make_environment() {
    local python
    [ -x "$1/bin/pip" ] && return
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        need_packages "a virtual environment" \
            "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    rm -rf "$1"
    "$python" -m venv "$1"
}
