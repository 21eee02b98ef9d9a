#!/bin/bash
# usage: demo.sh
# Builds the images of manifests/javaweb-2.yaml if they are not there, applies it, shows the page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
podrun=.venv/bin/podrun
page=http://127.0.0.1:8001/sample/

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

fetch() {
    curl --fail --silent --noproxy '*' --max-time 5 "$page"
}

answers() { # Tomcat unpacks the WAR and compiles its JSP when it is first asked
    for _ in $(seq 120); do
        ! fetch >/dev/null || return 0
        sleep 0.5
    done
    return 1
}

.venv/bin/python scripts/demo_images.py
show "$podrun" apply -f manifests/javaweb-2.yaml
if ! answers; then
    echo "demo: no page at $page within a minute; what the pod says:" >&2
    "$podrun" describe pod javaweb-2 >&2 || true
    "$podrun" logs javaweb-2 --tail 30 >&2 || true
    exit 1
fi
show "$podrun" ps -o wide
printf '\n$ curl %s\n' "$page"
fetch
cat <<EOF

The pod runs on. Look into it, then take it away:
  sudo $PWD/$podrun describe pod javaweb-2
  sudo $PWD/$podrun logs javaweb-2
  sudo $PWD/$podrun delete javaweb-2
EOF
