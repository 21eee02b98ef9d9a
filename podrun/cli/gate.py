"""``podrun gate``: the word of whoever decides that a pod may be ready."""

from __future__ import annotations

import click

from podrun.cli.command import namespace_option, verb
from podrun.cli.complete import complete_pod
from podrun.cli.names import parse_pod
from podrun.cli.pods import Reader
from podrun.cli.root import require_root
from podrun.errors import UsageError

_WORDS = {"true": True, "false": False}


@verb(
    "gate",
    "sudo podrun gate web example.com/warm=true",
    "sudo podrun gate web example.com/warm=false",
)
@click.argument("pod", shell_complete=complete_pod)
@click.argument("condition", metavar="TYPE=true|false")
@namespace_option
def command(pod: str, condition: str, namespace: str) -> None:
    """Say whether a readiness gate holds.

    A pod whose spec.readinessGates names conditions is Ready only while all of them are true.
    """
    require_root("set a condition")
    type, _, word = condition.partition("=")
    if not type or word.lower() not in _WORDS:
        raise UsageError(f"{condition!r} is not TYPE=true or TYPE=false")
    from podrun.agent.client import call

    reader = Reader(addresses=False)
    stored = reader.find(parse_pod(pod), namespace)
    request = {
        "verb": "gate",
        "uid": stored.pod.metadata.uid,
        "type": type,
        "holds": _WORDS[word.lower()],
    }
    for _ in call(reader.config, request):
        pass
    click.echo(f"pod/{stored.key[1]} {type}={word.lower()}")
