"""What ``podrun apply`` does, once it is known what is asked for. Loads nothing large."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from podrun.cli.live import Live
from podrun.cli.manifests import admitted, read_sources
from podrun.cli.pullprogress import PullProgress
from podrun.cli.root import owner_gid, require_root
from podrun.errors import TYPE_CHECKING, PodrunError

if TYPE_CHECKING:
    from typing import Any

    from podrun.agent.admission import Source


class Wanted:
    """``wait``: "none", "started" or "ready"; ``timeout`` in seconds."""

    def __init__(
        self,
        files: Sequence[str],
        namespace: str = "",
        wait: str = "started",
        timeout: float | None = None,
        quiet: bool = False,
    ) -> None:
        self.files = files
        self.namespace = namespace
        self.wait = wait
        self.timeout = timeout
        self.quiet = quiet


def plain(args: Sequence[str]) -> Wanted | None:
    """What the words after ``apply`` say, where that is plain to see; None for click to read them.

    Importing click takes half of the time of the whole command. What is read here, click reads in
    the same way (a test compares them); what is mistaken, rare or asks for help is click's alone.
    """
    paths: list[str] = []
    files: list[str] = []
    namespace, wait, quiet = "", "started", False
    rest = iter(args)
    for word in rest:
        if word in ("-f", "--filename", "-n", "--namespace"):
            value = next(rest, "--")
            if value.startswith("-") and value != "-":
                return None
            if word in ("-f", "--filename"):
                files.append(value)
            else:
                namespace = value
        elif word in ("-q", "--quiet"):
            quiet = True
        elif word in ("--wait", "--no-wait") and wait == "started":
            wait = "ready" if word == "--wait" else "none"
        elif word.startswith("-") and word != "-":
            return None
        else:
            paths.append(word)
    return Wanted((*paths, *files), namespace, wait, quiet=quiet)


def apply(wanted: Wanted) -> None:
    """Raises PodrunError."""
    sources = list(read_sources(wanted.files))

    # The agent has loaded what it takes to read them, so it is who does. But no agent is started,
    # and nobody sent for root, for manifests that are not valid.
    def check() -> None:
        admitted(sources, namespace=wanted.namespace, quiet=True)

    if os.geteuid() != 0:
        check()
    require_root("apply pods")
    payload = b"".join(content for content, _ in sources)
    send(_request(sources, wanted), payload, quiet=wanted.quiet, before_start=check)


def _request(sources: Sequence[Source], wanted: Wanted) -> dict[str, Any]:
    return {
        "verb": "apply",
        "sources": [{"name": name, "size": len(content)} for content, name in sources],
        "namespace": wanted.namespace,
        "ownerGid": owner_gid(),
        "wait": wanted.wait,
        "timeout": wanted.timeout,
    }


def send(
    request: dict[str, Any],
    payload: bytes = b"",
    *,
    quiet: bool,
    before_start: Callable[[], object] | None = None,
) -> None:
    """Have the agent do it, and tell what it tells. PodrunError when a pod cannot go on."""
    from podrun.agent.client import call
    from podrun.node import endpoint

    obstacles: dict[str, str] = {}
    with Live(quiet=quiet) as live:
        pulls = PullProgress(live)
        for progress in call(endpoint.load(), request, payload, before_start=before_start):
            tell(live, progress)
            pulls(progress)
            obstacles = progress.get("done", {}).get("obstacles", {})
    if obstacles:
        listed = "\n".join(f"{name} cannot go on: {why}" for name, why in obstacles.items())
        over = all(why.startswith("Failed: ") for why in obstacles.values())
        told = "it stays so until it is deleted" if over else "podrun keeps trying"
        raise PodrunError(listed, hint=f"{told}; see `podrun describe`")


def tell(live: Live, progress: dict[str, Any]) -> None:
    """One progress message of the agent: a note, a result, or an event of a pod."""
    name = progress.get("object", "")
    if "note" in progress:
        live.warn(f"note: {progress['note']}")
    elif "result" in progress:
        live.result(f"{name} {progress['result']}")
    elif "event" in progress:
        live.say(name, progress["event"].get("message", ""))
