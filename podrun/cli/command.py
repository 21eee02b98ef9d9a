"""What all verbs have in common: how their help looks, ``--debug``, the options many share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_NARROW = 60
_YES, _NO = ("true", "client", "server"), ("false", "none")  # --dry-run=client
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class State:
    """What one invocation knows of itself, apart from the verb's own options."""

    def __init__(self) -> None:
        self.debug = False


class Formatter(click.HelpFormatter):
    """click's own is never narrower than 50 columns and wants 30 for the first one."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            import shutil

            width = max(min(shutil.get_terminal_size().columns, max_width or 80) - 1, 20)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, 12 if self.width < _NARROW else col_max, col_spacing)


class Context(click.Context):
    formatter_class = Formatter


class Option(click.Option):
    """An option whose help needs no cleaning: click's own would import inspect (see ``lazy``)."""

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = help


class Helped(click.Command):
    """``-h`` and ``--help``, without the search for a translation that click's own begin with."""

    context_class = Context
    _help: Option | None = None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        if self._help is None:
            self._help = Option(
                self.get_help_option_names(ctx),
                is_flag=True,
                is_eager=True,
                expose_value=False,
                help="Show this message and exit.",
                callback=_show_help,
            )
        return self._help


def _show_help(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class Verb(Helped):
    """A verb of the command line. ``--debug`` may stand before the verb or after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {**_SETTINGS, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._without_values(args)))

    def _without_values(self, args: list[str]) -> Iterator[str]:
        """``--wait=false`` becomes ``--no-wait``: kubectl's flags take a value, click's do not."""
        flags = {p.opts[-1]: p for p in self.params if isinstance(p, click.Option) and p.is_flag}
        rest = iter(args)
        for arg in rest:
            name, _, value = arg.partition("=")
            if arg == "--":
                yield arg
                break
            if name not in flags or value not in (*_YES, *_NO):
                yield arg
            elif value in _YES:
                yield name
            else:
                yield from flags[name].secondary_opts[:1]
        yield from rest


class VerbGroup(Helped, click.Group):
    """A verb with verbs of its own: ``podrun image …``."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {**_SETTINGS, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a verb of its own the help, which is no error: not as click 8.2 has it."""
        alone = not args and not ctx.resilient_parsing
        return super().parse_args(ctx, ["--help"] if alone else args)


def verb(
    name: str, *examples: str, settings: dict[str, Any] | None = None
) -> Callable[[Callable[..., Any]], Verb]:
    """Decorates a function into the verb ``name``; its docstring is the help text."""
    epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples) if examples else None
    return click.command(name, cls=Verb, epilog=epilog, context_settings=settings)


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """``click.option``, lighter; the help is one clean line."""
    return click.option(*names, cls=Option, **attributes)


def debug_option() -> click.Option:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(State).debug = True

    return Option(
        ["--debug"], is_flag=True, expose_value=False, hidden=True, callback=remember, is_eager=True
    )


def namespace_option(function: F) -> F:
    """``-n``: the namespace that names without one are in; "" when it was not given."""
    return option(
        "-n", "--namespace", default="", metavar="NS", help="Namespace of the names [default]."
    )(function)


def all_namespaces_option(function: F) -> F:
    return option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")(
        function
    )


def selector_option(function: F) -> F:
    return option(
        "-l",
        "--selector",
        default="",
        metavar="LABELS",
        help="Only pods with these labels: app=web.",
    )(function)


def container_option(function: F) -> F:
    from podrun.cli.complete import complete_container

    return option(
        "-c",
        "--container",
        default="",
        metavar="NAME",
        help="The container; else the first.",
        shell_complete=complete_container,
    )(function)


def files_option(function: F) -> F:
    return option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        metavar="FILE",
        help="File, directory or - (standard input).",
    )(function)


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """``90``, ``90s``, ``1m30s``, ``2h``, ``100ms``: seconds as a float."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        import re

        text = str(value)
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smh])", text)
        if re.fullmatch(r"-?\d+(?:\.\d+)?", text):
            return float(text)
        if not parts or "".join(map("".join, parts)) != text:
            self.fail(f"{text!r} is no duration: write 30s, 5m or 1h30m", param, ctx)
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
