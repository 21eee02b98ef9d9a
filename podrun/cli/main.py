"""``podrun``: finds the verb, runs it, and prints what went wrong. Nobody else prints errors.

A verb's module is imported when that verb is used: ``podrun ps`` must not pay for the others.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from podrun.cli.command import Helped, State, debug_option
from podrun.cli.order import verb_first
from podrun.errors import PodrunError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE

VERBS: dict[str, dict[str, str]] = {
    "Pods": {
        "apply": "Make the objects of manifests real.",
        "create": "Make a ConfigMap or a Secret from files and words.",
        "ps": "List pods.",
        "get": "Show objects of a type: pods, configmaps, events, …",
        "describe": "Tell everything about a pod or another object.",
        "logs": "Print what a container wrote.",
        "exec": "Run a command in a container.",
        "attach": "Attach to the main process of a container.",
        "cp": "Copy files into a container or out of it.",
        "port-forward": "Forward ports of this machine to a pod.",
        "wait": "Wait until pods are ready, done or gone.",
        "gate": "Say whether a readiness gate holds.",
        "restart": "Stop containers gracefully and start them again.",
        "events": "Tell what happened, and why.",
        "top": "Show what pods use of CPU and memory.",
        "delete": "Stop pods and remove them, or other objects.",
    },
    "Node": {
        "image": "Manage local images.",
        "login": "Keep a name and password for a registry.",
        "logout": "Forget name and password for a registry.",
        "schedule": "Show where pods would go on several nodes.",
        "system": "Check this host, show disk use, prune, reset.",
        "agent": "Run the node agent in the foreground.",
    },
    "Help": {
        "explain": "Explain a field of a manifest.",
        "version": "Print versions.",
        "completion": "Print the script for shell completion.",
    },
}

#: what kubectl, docker and podman call it
ELSEWHERE = {
    "images": "image ls",
    "inspect": "describe",
    "kill": "delete --now",
    "list": "ps",
    "load": "image load",
    "ls": "ps",
    "play": "apply",
    "pull": "image pull",
    "replace": "apply",
    "rm": "delete",
    "rmi": "image rm",
    "run": "apply",
    "stop": "delete",
}


def module_of(verb: str) -> str:
    return f"podrun.cli.{verb.replace('-', '_')}"


class Podrun(Helped, click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in VERBS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not any(cmd_name in section for section in VERBS.values()):
            return None
        found: click.Command = importlib.import_module(module_of(cmd_name)).command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"there is no verb {name!r}{self._suggestion(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _suggestion(self, ctx: click.Context, name: str) -> str:
        import difflib

        if name in ELSEWHERE:
            return f"; here it is 'podrun {ELSEWHERE[name]}'"
        close = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
        return f"; did you mean {close[0]!r}?" if close else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in VERBS.items():
            with formatter.section(title):
                formatter.write_dl(list(section.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        every = {name: text for section in VERBS.values() for name, text in section.items()}
        return [CompletionItem(n, help=t) for n, t in every.items() if n.startswith(incomplete)]


@click.group(
    "podrun",
    cls=Podrun,
    params=[debug_option()],
    options_metavar="",
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  sudo podrun apply pod.yaml\n  podrun ps\n  podrun logs -f web\n",
)
def main() -> None:
    """Real Kubernetes Pods on one Linux machine.

    A bare name means a pod. `podrun VERB --help` tells more.
    """


def entry(args: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process) and return its exit code; never raises."""
    state = State()
    try:
        if "_PODRUN_COMPLETE" in os.environ:
            main(args, prog_name="podrun")
        code = _invoke(list(sys.argv[1:] if args is None else args), state)
        sys.stdout.flush()
        return code
    except BaseException as error:
        return report(error, state)


def _invoke(args: list[str], state: State) -> int:
    if not args:
        args = ["--help"]
    with main.make_context("podrun", verb_first(args), obj=state) as ctx:
        result = main.invoke(ctx)
    return result if isinstance(result, int) else 0


def report(error: BaseException, state: State | None = None) -> int:
    """Say what went wrong on stderr; the exit code."""
    state = state or State()
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more
        return BROKEN_PIPE
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if state.debug:
        _traceback(error)
    if isinstance(error, PodrunError):
        _say(error.message, error.hint)
        return error.exit_code
    if isinstance(error, click.ClickException):
        _say(error.format_message().rstrip("."), _help_hint(error))
        return error.exit_code
    _say(*_of_any(error, debug=state.debug))
    return 1


def _of_any(error: BaseException, *, debug: bool) -> tuple[str, str]:
    """Message and hint for what nobody expected, or nobody can prevent."""
    if isinstance(error, OSError) and error.filename:
        where = f"{error.strerror}: {error.filename}"
        if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
            return where, "run it with sudo"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return where, "`podrun system df` shows what podrun has there"
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"unexpected {text}", "" if debug else "run with --debug for a traceback"


def _say(message: str, hint: str) -> None:
    message = message[:1].lower() + message[1:] if message[1:2].islower() else message
    separator = "\n" if "\n" in message else " "
    click.echo(
        click.style("error: ", fg="red", bold=True) + message + (hint and f"{separator}({hint})"),
        err=True,
        color=None if "NO_COLOR" not in os.environ else False,
    )


def _help_hint(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f"see `{ctx.command_path} --help`" if ctx is not None else ""


def _traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)
