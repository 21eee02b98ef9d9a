#!/bin/bash
# usage: test-vm.sh PYTEST-ARGUMENT...
# Runs tests on Debian's kernel, with cgroup v2 alone, in qemu without KVM, over this machine's
# own root file system (read-only, through 9p). Exits as pytest does. VM_MINUTES bounds it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
vm=$PWD/.venv/build/vm
out=$vm/out
minutes=${VM_MINUTES:-120}

# A kernel package is unpacked, not installed: what this machine boots is not our business.
unpack() { # PACKAGE DIR
    rm -rf "$2" && mkdir -p "$2/deb"
    (cd "$2/deb" && apt-get download --quiet=2 -o APT::Sandbox::User=root "$1")
    dpkg-deb --extract "$2"/deb/*.deb "$2"
    rm -rf "$2/deb"
}

prepare() {
    mkdir -p "$vm" "$out"
    [ -x "$vm/venv/bin/vng" ] || {
        echo "vm: virtme-ng, into a virtual environment of its own"
        "${PYTHON:-.venv/bin/python}" -m venv "$vm/venv"
        "$vm/venv/bin/pip" install --quiet virtme-ng </dev/null
        # The root is read-only and does not change: let the guest keep what it has read.
        sed -i 's/access=any,msize=/access=any,cache=loose,msize=/' \
            "$vm"/venv/lib/python3*/site-packages/virtme/mkinitramfs.py
    }
    [ -x "$vm/busybox/bin/busybox" ] || unpack busybox-static "$vm/busybox"
    compgen -G "$vm/kernel/boot/vmlinuz-*" >/dev/null || {
        image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
        echo "vm: the kernel of ${image:?apt knows no linux-image-amd64}"
        unpack "$image" "$vm/kernel"
        depmod --basedir "$vm/kernel" "$(basename "$vm"/kernel/lib/modules/*)"
    }
}

boot() { # COMMAND
    timeout --kill-after=10 "${minutes}m" "$vm/venv/bin/vng" --verbose \
        --run "$(echo "$vm"/kernel/boot/vmlinuz-*)" \
        --disable-kvm --force-9p --disable-microvm --append edd=off \
        --busybox "$vm/busybox/bin/busybox" --cpus "$(nproc)" --memory "${VM_MEMORY:-4G}" \
        --rwdir "$out" --exec "$1" </dev/null |& cat >"$out/console" # a pipe: qemu truncates files
}

case $PWD/ in
/run/* | /dev/* | /proc/* | /sys/*)
    echo "test-vm: the checkout must not lie below /run, /dev, /proc or /sys: the vm has its own" >&2
    exit 1
    ;;
esac
[ "$(uname -m)" = x86_64 ] || { echo "test-vm: needs an x86-64 machine" >&2; exit 1; }
prepare
export PATH=$vm/venv/bin:$PATH
rm -f "$out"/*
printf '%q ' "$@" >"$out/arguments"
echo "vm: $(basename "$vm"/kernel/boot/vmlinuz-*), emulated; at most $minutes minutes"
# The console carries neither plain output nor an exit code everywhere; files always do.
: >"$out/log"
tail --follow --lines=+1 --sleep-interval=0.3 "$out/log" &
tail=$!
boot "$PWD/scripts/vm-inside.sh $PWD $out" || true
sleep 0.5 # for the last lines
kill "$tail"
if ! [ -e "$out/code" ]; then
    echo "test-vm: the vm ended before the tests did (at most $minutes minutes); its console:" >&2
    tail --lines=20 "$out/console" >&2
    exit 1
fi
exit "$(cat "$out/code")"
