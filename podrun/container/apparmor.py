"""The AppArmor profile "RuntimeDefault" stands for: ours, loaded when it is first needed.

It takes back what the mounts of a container already keep from it, in case one of them is ever got
rid of: the kernel's knobs in /proc and /sys, and mounting.
"""

from __future__ import annotations

import shutil

from podrun.errors import Unavailable
from podrun.linux import lsm

DEFAULT = "podrun-default"
PARSER = "apparmor_parser"

_TEXT = f"""\
#include <tunables/global>

profile {DEFAULT} flags=(attach_disconnected,mediate_deleted) {{
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
  signal (send, receive) peer={DEFAULT},
  ptrace (trace, read, tracedby, readby) peer={DEFAULT},

  deny mount,
  deny @{{PROC}}/{{kcore,kmem,mem,sysrq-trigger,timer_stats}} rwklx,
  deny @{{PROC}}/{{acpi,bus,fs,irq,scsi}}/** wklx,
  deny @{{PROC}}/sys/{{abi,debug,dev,user,vm}}/** wklx,
  deny @{{PROC}}/sys/fs/[^m]** wklx,
  deny @{{PROC}}/sys/kernel/[^ms]** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/{{block,bus,class,dev,devices,hypervisor,kernel,module,power}}/** wklx,
}}
"""


def obstacle() -> str:
    """Why profiles cannot be loaded here; "" when they can."""
    if not lsm.apparmor_loads():
        return "securityfs is not mounted"
    return "" if shutil.which(PARSER) else f"{PARSER} is not installed"


def load_default() -> str:
    """Its name, once it is loaded. Raises Unavailable."""
    if not lsm.apparmor_has(DEFAULT):
        import subprocess

        try:
            done = subprocess.run(
                [PARSER, "--replace", "--skip-cache"],
                input=_TEXT,
                capture_output=True,
                text=True,
                check=False,
            )
            failure = done.stderr.strip() if done.returncode else ""
        except OSError as error:
            failure = error.strerror or str(error)
        if failure:
            raise Unavailable(
                f"cannot load the AppArmor profile {DEFAULT}: {failure}",
                hint="install apparmor, or set appArmorProfile.type: Unconfined",
                reason="CreateContainerConfigError",
            )
    return DEFAULT
