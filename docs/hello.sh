#!/usr/bin/env bash
# Creates a volume and a container "hello" on the lightd daemon of this machine, and starts it.
# Run it in the folder of config.json. IMAGE: the image to use; URL: the address of the daemon.
set -euo pipefail

for _ in $(seq 20); do # the first start of lightd is about to write the configuration
    token=$(lightd --token what 2>/dev/null | cut -d' ' -f3) && break
    sleep 1
done
url=${URL:-http://localhost:8070}
call() {
    curl -sS --fail-with-body --retry 20 --retry-connrefused --retry-delay 1 -w '\n' \
        -H "Authorization: Bearer $token" -H "Accept: Application/vnd.pkglatv1+json" "$@"
}

volume=$(call -X POST "$url/volumes" | cut -d'"' -f4)
call -X POST "$url/containers?wait=60" -d '{"internal_id": "hello", "image": "'"${IMAGE:-busybox:stable}"'",
    "volume_id": "'"$volume"'", "start_pattern": "Ready", "tty": false,
    "startup_command": "echo Loading world; echo Ready; while read -r line; do echo \"got: $line\"; done"}'
lightd start hello
