#!/usr/bin/env bash
# Installs lightd from this folder for the whole machine, in an environment of its own (Debian 12 and 13, Ubuntu 24.04):
#
#   sudo bash install.sh [--docker]   install or upgrade; --docker: also the distribution's Docker Engine, if there is none
#   sudo bash install.sh rollback     use the version that was installed before
#   sudo bash install.sh remove       remove the program; servers, volumes, configuration and journal stay
#
# It writes PREFIX (one folder for each installed version, and the link `current`), the link BIN/lightd, and, if
# systemd runs, UNIT. The data is in DATA. docs/installation.md describes each step.
set -euo pipefail

PREFIX=${PREFIX:-/opt/lightd}
BIN=${BIN:-/usr/local/bin}
UNIT=${UNIT:-/usr/local/lib/systemd/system/lightd.service}
DATA=${DATA:-/var/lib/lightd}
SOCKET=${SOCKET:-/var/run/docker.sock}
source=$(cd "$(dirname "$0")" && pwd)
release=
stopped=
umask 022

say() { printf 'install.sh: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
systemd() { [ -d /run/systemd/system ] && [ "${SERVICE:-1}" = 1 ]; }

packages() { # install packages of the distribution
    command -v apt-get >/dev/null || fail "apt-get is missing; install these packages first: $*"
    say "installing $* with apt-get"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qy install "$@" >/dev/null
}

python() { # the newest supported Python with its venv module, which Debian has in a package of its own
    local found
    for found in python3.13 python3.12 python3.11 python3; do
        command -v "$found" >/dev/null || continue
        "$found" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
        command -v "$found"
        return
    done
    return 1
}

engine_answers() { # $1: Python
    "$1" - "$SOCKET" 2>/dev/null <<'EOF'
import socket, sys
with socket.socket(socket.AF_UNIX) as engine:
    engine.settimeout(60)  # systemd may start the engine for this connection
    engine.connect(sys.argv[1])
    engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
    sys.exit(b" 200 " not in engine.recv(100))
EOF
}

provide_engine() { # install a Docker Engine if there is none, and start it; $1: Python
    ! engine_answers "$1" || return 0
    command -v dockerd >/dev/null || packages docker.io
    ! systemd || systemctl start docker
    engine_answers "$1" || say "no Docker Engine answers at $SOCKET: start it, so that lightd can create servers"
}

while_stopped() { # run a command while no lightd has the journal open
    local lock=$DATA/storage/lightd.db.lock code=0
    [ ! -e "$lock" ] || set -- flock -n -E 75 "$lock" "$@"
    "$@" || code=$?
    [ "$code" != 75 ] || fail "a running lightd has the journal in $DATA/storage open: stop it first"
    return "$code"
}

copy_journal() { # a newer version may change the journal's format: the copy is what a rollback needs then
    local copy=$DATA/before-upgrade
    rm -rf "$copy.new"
    install -d -m 700 "$copy.new"
    while_stopped cp -a "$DATA"/storage/lightd.db* "$DATA/config.json" "$copy.new/"
    rm -rf "$copy"
    mv "$copy.new" "$copy"
    say "the journal and the configuration were copied to $copy"
}

use() { # make the version in folder $1 the current one, in one step
    ln -sfn "$1" "$PREFIX/current.new"
    mv -T "$PREFIX/current.new" "$PREFIX/current"
    install -d "$BIN"
    ln -sfn "$PREFIX/current/bin/lightd" "$BIN/lightd"
    systemd || return 0
    install -D -m 644 "$PREFIX/current/lightd.service" "$UNIT"
    systemctl daemon-reload
    systemctl enable --quiet lightd
    systemctl restart lightd # servers keep running
}

install_version() {
    local docker=$1 python version before= upgrade=
    [ ! -L "$PREFIX/current" ] || before=$(readlink "$PREFIX/current")
    if [ -n "$before" ] && [ -f "$DATA/storage/lightd.db" ]; then
        upgrade=1
        systemd || while_stopped true
    fi
    python=$(python) || packages python3 python3-venv
    python=$(python) || fail "lightd needs Python 3.11, 3.12 or 3.13 with its venv module"
    [ "$docker" != 1 ] || provide_engine "$python"
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/pyproject.toml")
    release=$PREFIX/$version-$(date -u +%Y%m%d%H%M%S)
    say "installing lightd $version into $release with $("$python" --version)"
    install -d -m 755 "$PREFIX"
    # Nothing is left of an attempt that failed, and the former version runs on.
    trap 'rm -rf "$release"; [ -z "$stopped" ] || systemctl start lightd' EXIT
    "$python" -m venv "$release"
    "$release/bin/pip" install --quiet --disable-pip-version-check -c "$source/constraints.txt" "$source"
    "$release/bin/lightd" --version >/dev/null
    compgen -G "$release/lib/python*/site-packages/lightd/ui/manifest.json" >/dev/null ||
        say "without the web console, because npm is not installed: apt-get install npm, then run this again"
    install -m 644 "$source/config/lightd.service" "$release/lightd.service"
    [ -z "$before" ] || printf '%s\n' "$before" >"$release/before"
    if [ -n "$upgrade" ]; then
        ! systemd || ! systemctl --quiet is-active lightd || { stopped=1 && systemctl stop lightd; }
        copy_journal
    fi
    trap - EXIT
    use "$release"
    find "$PREFIX" -mindepth 1 -maxdepth 1 -type d ! -path "$release" ! -path "${before:-$release}" -exec rm -rf {} +
    finish
}

answers() { "$BIN/lightd" ps -q --config "$DATA/config.json" >/dev/null; }

finish() {
    if systemd; then
        for _ in $(seq 60); do
            ! answers 2>/dev/null || break
            sleep 1
        done
        answers || fail "lightd did not answer within a minute; the log (journalctl -u lightd) says why"
        say "lightd $("$BIN/lightd" --version | cut -d' ' -f2) runs as the service lightd; next: sudo lightd doctor"
    else
        say "lightd is installed; systemd does not run here, so start it yourself:"
        say "  mkdir -p $DATA && lightd serve --config $DATA/config.json"
    fi
}

rollback() {
    local before
    [ -f "$PREFIX/current/before" ] || fail "no earlier version is installed in $PREFIX"
    before=$(cat "$PREFIX/current/before")
    [ -x "$before/bin/lightd" ] || fail "the earlier version $before is no longer there"
    use "$before"
    say "$before is in use again; if it cannot read the journal (journalctl -u lightd), see docs/installation.md"
    finish
}

remove() {
    if systemd && [ -e "$UNIT" ]; then
        systemctl disable --quiet --now lightd
        rm -f "$UNIT"
        systemctl daemon-reload
    fi
    rm -f "$BIN/lightd"
    rm -rf "$PREFIX"
    say "lightd was removed; its servers still run in Docker, and $DATA was kept (docs/installation.md)"
}

[ "$(id -u)" = 0 ] || [ -w "$(dirname "$PREFIX")" ] || fail "run this as root: sudo bash install.sh"
case "${1:-install}" in
install) install_version 0 ;;
--docker) install_version 1 ;;
rollback) rollback ;;
remove) remove ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
