#!/usr/bin/env bash
# For maintainers: runs a command of the README as a newcomer would, on a Debian with nothing installed.
#
#   bash tests/rig/fresh.sh [--worktree] [--bare | --user] [COMMAND...]     (default: bash tests/rig/run demo)
#
# The machine is a privileged container with a network of its own, made by debootstrap from this machine's
# apt configuration. With --bare it has no privileges, so no Docker can be in it; with --user neither has who
# runs the command there, an ordinary user, to whom an administrator has given Python. The project is a clean clone of the last commit (with --worktree: what git would
# commit now). Only how packages are reached is handed over: apt's and pip's configuration and the proxies.
# Needs root, a Docker Engine that answers, and debootstrap. FRESH_SUITE chooses another Debian release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

worktree=no
who=root
bare=no
while :; do
    case ${1:-} in
        --worktree) worktree=yes ;;
        --bare) bare=yes ;;
        --user) who=joe bare=yes ;;
        *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || set -- bash tests/rig/run demo

die() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}

[ "$EUID" -eq 0 ] || die "debootstrap needs root."
for needed in docker debootstrap git tar; do
    command -v "$needed" >/dev/null || die "$needed is missing: apt-get install $needed"
done

suite=${FRESH_SUITE:-bookworm}
image=lightd-rig-fresh:$suite
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lightd-rig
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# ---- the bare Debian, made once

if ! docker image inspect "$image" >/dev/null 2>&1; then
    archive=$cache/$suite.tar
    if [ ! -f "$archive" ]; then
        mkdir -p "$cache"
        # shellcheck disable=SC2016 # $(SITE) is apt's own field
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 /debian) || mirror=
        echo "fresh: making a bare Debian $suite in $cache."
        debootstrap --variant=minbase "$suite" "$scratch/root" ${mirror:+"$mirror"} >"$cache/$suite.log" ||
            die "debootstrap failed: $cache/$suite.log"
        rm -rf "$scratch"/root/var/cache/apt/archives/*.deb "$scratch"/root/var/lib/apt/lists/*
        tar -C "$scratch/root" -cf "$archive.part" .
        mv "$archive.part" "$archive"
    fi
    docker import --change 'LABEL lightd.rig=true' "$archive" "$image" >/dev/null
fi

# ---- the clone, and how packages are reached

if [ "$worktree" = yes ]; then
    mkdir "$scratch/lightd"
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -c | tar -xC "$scratch/lightd"
else
    git clone --quiet . "$scratch/lightd"
fi

options=()
give() { options+=(--volume "$1:$2:ro"); }
# shellcheck source=/dev/null
if [ "$suite" = "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" ]; then
    cat /etc/apt/sources.list >"$scratch/sources" 2>/dev/null || true
    give "$scratch/sources" /etc/apt/sources.list
    [ ! -f /etc/apt/sources.list.d/debian.sources ] ||
        give /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/debian.sources
fi
[ ! -f /etc/pip.conf ] || give /etc/pip.conf /etc/pip.conf
# Of apt's settings those of the network only: the others may name programs that a bare Debian lacks.
apt-config dump Acquire >"$scratch/acquire"
give "$scratch/acquire" /etc/apt/apt.conf.d/90acquire
authorities=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
if [ -f "$authorities" ]; then
    cp -L "$authorities" "$scratch/authorities"
    give "$scratch/authorities" /run/authorities.pem
    options+=(--env PIP_CERT=/run/authorities.pem)
fi
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy \
    HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name:-}" ] || options+=(--env "$name")
done
! pip_url=$(python3 -m pip config get global.index-url 2>/dev/null) || options+=(--env "PIP_INDEX_URL=$pip_url")
[ ! -t 0 ] || options+=(--interactive --tty)

# As --privileged, but with the capabilities that this machine has: where one is missing, Docker refuses that.
privileges=()
while read -r capability; do
    privileges+=(--cap-add "$capability")
done < <(setpriv --dump | sed -n 's/^Capability bounding set: //p' | tr , '\n' |
    grep -vE '^(perfmon|bpf|checkpoint_restore|cap_[0-9]+)$') # an older Docker has no words for these
# The engine inside can't put its overlays on ours: it gets a volume.
privileges+=(--security-opt seccomp=unconfined --security-opt apparmor=unconfined
    --security-opt systempaths=unconfined --device-cgroup-rule 'a *:* rwm' --volume /var/lib/docker)
[ "$bare" = yes ] || options+=("${privileges[@]}")

docker run --rm --init --cgroupns=private --hostname fresh --env CI="${CI:-}" --env WHO="$who" \
    --volume "$scratch/lightd:/srv/lightd:ro" "${options[@]}" "$image" \
    sh -c 'for at in /sys /sys/fs/cgroup $(ls -d /sys/fs/cgroup/*/); do
               mount -o remount,bind,rw "$at" 2>/dev/null || mount -o remount,rw "$at" 2>/dev/null
           done
           home=/root
           if [ "$WHO" != root ]; then
               { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates; } \
                   >/dev/null || exit
               useradd --create-home "$WHO" && home=/home/$WHO
           fi
           cp -r /srv/lightd "$home/lightd" && chown -R "$WHO:" "$home/lightd" && cd "$home/lightd" &&
               HOME=$home exec setpriv --reuid="$WHO" --regid="$WHO" --init-groups "$@"' sh "$@"
