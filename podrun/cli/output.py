"""``-o json|yaml|name|wide|jsonpath=…``: objects on stdout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from podrun.cli.command import option

if TYPE_CHECKING:
    from podrun.api.objects import AnyObject

    # An object of the API, or the mapping that another one is.
    Object = AnyObject | dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("json", "yaml", "name", "wide")


class Output(NamedTuple):
    """``format`` is one of FORMATS, "jsonpath" or "" (the table)."""

    format: str = ""
    template: str = ""

    @property
    def is_table(self) -> bool:
        return self.format in ("", "wide")


class OutputType(click.ParamType[Output]):
    name = "output"

    def __init__(self, *formats: str) -> None:
        self.formats = formats or FORMATS

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Output:
        if isinstance(value, Output):
            return value
        kind, _, template = str(value).partition("=")
        if kind == "jsonpath" and template:
            from podrun.cli.jsonpath import check

            check(template)
            return Output(kind, template)
        if kind not in self.formats:
            choices = ", ".join([*self.formats, "jsonpath=…"])
            self.fail(f"{value!r} is no output format; there are {choices}", param, ctx)
        return Output(kind)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        from click.shell_completion import CompletionItem

        every = [*self.formats, "jsonpath="]
        return [CompletionItem(name) for name in every if name.startswith(incomplete)]


def output_option(*formats: str) -> Callable[[F], F]:
    return option(
        "-o",
        "--output",
        type=OutputType(*formats),
        default=Output(),
        show_default=False,
        metavar="FORMAT",
        help=f"{', '.join(formats or FORMATS)} or jsonpath=….",
    )


def show(objects: Sequence[Object], output: Output, *, single: bool) -> None:
    """Print ``objects`` in any format but the table; a v1 List unless ``single``."""
    import msgspec

    if output.format == "name":
        for each in map(msgspec.to_builtins, objects):
            click.echo(f"{each['kind'].lower()}/{each['metadata']['name']}")
        return
    whole: Any = objects[0] if single else {"apiVersion": "v1", "kind": "List", "items": objects}
    if output.format == "jsonpath":
        from podrun.cli.jsonpath import render

        click.echo(render(output.template, msgspec.to_builtins(whole)), nl=False)
    else:
        click.echo(as_text(whole, output.format), nl=False)


def as_text(value: Any, format: str) -> str:
    """``value`` as indented JSON or as YAML, with a newline at its end."""
    import msgspec

    if format == "yaml":
        return as_yaml(msgspec.to_builtins(value))
    return msgspec.json.format(msgspec.json.encode(value), indent=4).decode() + "\n"


def as_yaml(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Lists indented as kubectl does not need, text of several lines as a block."""

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return dumped
