#!/bin/bash
# usage: install.sh install|uninstall PREFIX BINDIR
# A virtual environment at PREFIX, a link to its podrun in BINDIR, the unit where systemd is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
action=$1 prefix=$2 bindir=$3
link=$bindir/podrun
unit=/etc/systemd/system/podrun-agent.service

fail() {
    echo "$action: $1" >&2
    exit 1
}

systemd_runs() {
    [ -d /run/systemd/system ]
}

ours() {  # PREFIX is empty, absent, or an environment with podrun in it
    [ ! -e "$prefix" ] || [ -z "$(ls -A "$prefix")" ] || [ -e "$prefix/pyvenv.cfg" ]
}

install_all() {
    ours || fail "$prefix holds something else; choose another PREFIX"
    [ ! -e "$link" ] || [ -L "$link" ] || fail "$link is not our link; choose another BINDIR"
    scripts/venv.sh "$prefix"
    "$prefix/bin/pip" install --quiet --upgrade .
    mkdir -p "$bindir"
    ln -sfn "$prefix/bin/podrun" "$link"
    echo "installed: $link -> $prefix/bin/podrun"
    if command -v systemctl >/dev/null; then
        sed "s|@podrun@|$prefix/bin/podrun|" packaging/podrun-agent.service >"$unit"
        ! systemd_runs || systemctl daemon-reload
        echo "installed: $unit (pods come back after a boot: systemctl enable podrun-agent)"
    else
        echo "not installed: the unit of the agent, as there is no systemd (apply starts the agent)"
    fi
}

uninstall_all() {
    ours || fail "$prefix holds something else than podrun"
    if [ -e "$unit" ]; then
        ! systemd_runs || systemctl disable --now podrun-agent.service
        rm -f "$unit"
        ! systemd_runs || systemctl daemon-reload
    fi
    [ "$(readlink "$link" || true)" != "$prefix/bin/podrun" ] || rm -f "$link"
    rm -rf "$prefix"
    echo "uninstalled; pods, images and logs stay: /var/lib/podrun /var/log/podrun"
}

[ "$(id -u)" = 0 ] || [ -w "$(dirname "$prefix")" ] || fail "needs root: sudo make $action"
case $action in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "install or uninstall?" ;;
esac
