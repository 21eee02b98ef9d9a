#!/bin/bash
# usage: install.sh install|uninstall PREFIX BINDIR
#        install.sh environment PREFIX
# A virtual environment at PREFIX, a link to its podrun in BINDIR, the unit where systemd is; or the
# environment alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
action=$1 prefix=$2 bindir=${3:-/usr/local/bin}
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

install_environment() {
    ours || fail "$prefix holds something else; choose another PREFIX"
    scripts/venv.sh "$prefix"
    "$prefix/bin/pip" install --quiet --upgrade . </dev/null
    install_launcher
}

install_launcher() {  # in place of pip's, which starts slower; where a "#!" can name the Python
    local python=$prefix/bin/python3 paths
    [[ ${#python} -lt 100 && $python =~ ^[A-Za-z0-9/._+-]+$ ]] || return 0
    paths=$("$python" -c 'import sysconfig as s; print([*dict.fromkeys(map(s.get_path, ("purelib", "platlib")))])')
    sed "s|@python@|$python|; s|@paths@|$paths|" packaging/podrun >"$prefix/bin/podrun.new"
    chmod 755 "$prefix/bin/podrun.new"
    mv "$prefix/bin/podrun.new" "$prefix/bin/podrun"
}

install_all() {
    [ ! -e "$link" ] || [ -L "$link" ] || fail "$link is not our link; choose another BINDIR"
    install_environment
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
environment) install_environment ;;
uninstall) uninstall_all ;;
*) fail "install, uninstall or environment?" ;;
esac
