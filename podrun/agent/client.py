"""The command line's half: find the agent or start it, ask, hand on what it says.

connect ──refused or no socket──► start the agent, wait until it listens ──► connect again
   │
   └──► one request line, what belongs to it ──► progress lines … ──► done or error

Imports nothing that is large: every command that changes something waits for it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from _socket import AF_UNIX, SOCK_STREAM, socket  # the module around it takes 2 ms to import
from collections.abc import Callable, Iterator
from contextlib import closing

from podrun.errors import TYPE_CHECKING, MechanismFailed, Unavailable, UsageError, from_wire

if TYPE_CHECKING:
    from typing import Any, NoReturn

    from podrun.node.config import Config
    from podrun.node.endpoint import Endpoint

VERSION = 1
#: bytes of a line, and of what follows it
MAX_REQUEST = 16 << 20

#: how often a connection may find an agent that is just leaving
_TRIES = 5
_START_TIMEOUT = 10.0

#: the way to registries, for the pulls of pods; nothing else of a user's environment
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_HANDED_ON = (*_PROXIES, *map(str.lower, _PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR")

UNIT = "podrun-agent.service"
UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
SYSTEMD_RUNS = "/run/systemd/system"  # sd_booted(3)


def call(
    node: Config | Endpoint,
    request: dict[str, Any],
    payload: bytes = b"",
    *,
    before_start: Callable[[], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the agent's progress mappings; returns when done. Raises PodrunError.

    The last mapping yielded is ``{"done": …}``. ``before_start`` is called when no agent runs: what
    it raises, no agent is started for.
    """
    line = json.dumps({"version": VERSION, **request}).encode() + b"\n"
    if max(len(line), len(payload)) > MAX_REQUEST:
        raise UsageError(f"the request is larger than {MAX_REQUEST >> 20} MiB")
    for _ in range(_TRIES):
        with (
            closing(_connect(node, before_start)) as connection,
            open(connection.fileno(), "rb", closefd=False) as answers,
        ):
            first = b""
            try:
                connection.sendall(line + payload)
                first = answers.readline()
            except (BrokenPipeError, ConnectionResetError):
                pass
            if not first:
                continue  # it was leaving: nothing was done
            yield from _answers(first, answers)
            return
    raise Unavailable("the agent closes every connection", hint=f"see {_log(node)}")


def _log(node: Config | Endpoint) -> str:
    return f"{node.log_root}/agent.log"


def _answers(first: bytes, rest: Any) -> Iterator[dict[str, Any]]:
    line = first
    while line:
        answer = json.loads(line)
        if "error" in answer:
            raise from_wire(answer["error"])
        yield answer.get("progress", answer)
        if "done" in answer:
            return
        line = rest.readline()
    raise MechanismFailed(
        "the agent went away before it had answered",
        hint="nothing is lost: `podrun ps` shows how far it came; run the command again",
    )


def _connect(node: Config | Endpoint, before_start: Callable[[], object] | None = None) -> socket:
    found = try_connect(node)
    if found is None and before_start is not None:
        before_start()
    deadline = time.monotonic() + _START_TIMEOUT
    while found is None:
        start(node)
        found = try_connect(node)
        if found is None:
            time.sleep(0.01)
        if found is None and time.monotonic() > deadline:
            raise Unavailable(
                f"the agent does not start within {_START_TIMEOUT:g} s",
                hint=f"see {_log(node)}, or run `podrun agent` to watch it",
            )
    return found


def try_connect(node: Config | Endpoint) -> socket | None:
    """A connection to the agent, or None when there is none."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.connect(f"{node.run_root}/agent.sock")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except PermissionError:
        connection.close()
        raise Unavailable("only root may talk to the agent", hint="run it with sudo") from None
    return connection


def detached_command() -> tuple[str, ...]:
    """What runs an agent in the background; the monitors have it, too."""
    return sys.executable, "-m", "podrun.agent.main", "--detached"


def start(node: Config | Endpoint) -> None:
    """Start an agent in the background and wait until it listens, or has found another one.

    By its systemd unit where that is installed; else, and where that fails, detached from us.
    """
    if _has_unit() and _start_unit():
        return
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _become_agent(node, write)
    os.close(write)
    os.waitpid(child, 0)
    os.read(read, 1)  # the end of the pipe: it listens, or it is gone
    os.close(read)


def _has_unit() -> bool:
    """systemd runs, knows the agent, and no other configuration is asked for than the unit's."""
    if "PODRUN_CONFIG" in os.environ or not os.path.isdir(SYSTEMD_RUNS):
        return False
    return any(os.path.exists(f"{directory}/{UNIT}") for directory in UNIT_DIRECTORIES)


def _start_unit() -> bool:
    """Its socket may come a moment after it: whoever connects tries again for a while."""
    try:
        pid = os.posix_spawnp("systemctl", ["systemctl", "start", UNIT], os.environ)
    except FileNotFoundError:
        return False
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _become_agent(node: Config | Endpoint, ready: int) -> NoReturn:
    """Own session, no terminal, no inherited descriptor, a clean environment. Never returns."""
    try:
        from podrun.linux import process, sealed

        process.detach()
        os.set_inheritable(ready, True)
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            **node.environment(),
            **{name: os.environ[name] for name in _HANDED_ON if name in os.environ},
        }
        command = [*detached_command(), "--ready-fd", str(ready)]
        os.execve(sealed.path_of(sealed.open_program(command[0])), command, environment)
    finally:
        os._exit(127)
