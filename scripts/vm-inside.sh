#!/bin/bash
# usage: vm-inside.sh CHECKOUT OUT      (runs in the virtual machine, started by test-vm.sh)
# The root is 9p, which carries neither overlay uppers nor idmaps: state goes to tmpfs.
set -uo pipefail
cd "$1" || exit
out=$2
exec >"$out/log" 2>&1

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PODRUN_TEST_PATIENCE=8
modprobe --all overlay veth bridge br_netfilter nf_tables nft_chain_nat nft_masq nft_nat nft_ct \
    nft_compat ip_tables loop dummy 2>/dev/null
for module in overlay veth bridge nf_tables nft_chain_nat; do
    [ -e "/sys/module/$module" ] || echo "vm: the kernel did not load $module"
done
ip link set lo up
mkdir -p /run/tests
mount -t tmpfs -o mode=1777 tests /run/tests
export TMPDIR=/run/tests
if ! [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
echo "vm: up $(cut -d' ' -f1 /proc/uptime) s, kernel $(uname -r)," \
    "cgroup v2 with $(cat /sys/fs/cgroup/cgroup.controllers)"

declare -a arguments
eval "arguments=($(cat "$out/arguments"))"
.venv/bin/python -m pytest -p no:cacheprovider "${arguments[@]}"
echo $? >"$out/code"
