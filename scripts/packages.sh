#!/bin/bash
# usage: packages.sh PURPOSE...
# Installs what packaging/debian-packages lists for these purposes and is not installed.
set -euo pipefail
list=$(dirname "${BASH_SOURCE[0]}")/../packaging/debian-packages

wanted=()
for purpose; do
    mapfile -t -O "${#wanted[@]}" wanted < <(awk -v p="$purpose" '$1 == p { print $2 }' "$list")
done

if ! command -v dpkg-query apt-get >/dev/null; then
    echo "packages: this is neither Debian nor Ubuntu; going on, but these must be there under" >&2
    echo "  whatever names they have here: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} = 0 ]; then
    echo "packages ($*): all installed"
elif [ "$(id -u)" != 0 ]; then
    echo "packages: not installed: ${missing[*]}" >&2
    echo "  run once: sudo make setup   (or: sudo apt-get install ${missing[*]})" >&2
    exit 1
else
    echo "packages ($*): installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" </dev/null
fi
