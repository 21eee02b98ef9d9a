"""``podrun schedule``: where would these pods go? Touches no node, and needs no root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from podrun.cli.command import files_option, namespace_option, verb
from podrun.cli.output import Output, as_text, output_option
from podrun.errors import InvalidManifest, UsageError
from podrun.schedule.inputs import check_gangs, check_nodes, gang_of, nodes_of, parse_node
from podrun.schedule.model import Gang, Node
from podrun.schedule.policies import POLICIES

_ALL = "all"
_DEFAULT_CROWD = "1000x100"


@verb(
    "schedule",
    "podrun schedule --node node-1=memory:3Gi --node node-2=memory:2.5Gi app.yaml",
    "podrun schedule --nodes nodes.yaml --policy all app.yaml",
    "podrun schedule --simulate 1000x100 --plot policies.svg",
)
@click.argument("paths", nargs=-1, metavar="[FILE|DIR|-]...", type=click.Path())
@files_option
@namespace_option
@click.option("--node", "given", multiple=True, metavar="NODE", help="NAME=cpu:4,memory:3Gi")
@click.option("--nodes", "node_file", metavar="FILE", help="Nodes in YAML: v1 Nodes will do.")
@click.option(
    "--policy",
    type=click.Choice([*POLICIES, _ALL]),
    metavar="POLICY",
    help="pod (the default), affinity, hoarding, optimistic or all.",
)
@click.option(
    "--affinity", default="", metavar="CONTAINER", help="Whom the others want to be with."
)
@click.option(
    "--simulate",
    "crowd",
    metavar="PODSxNODES",
    help=f"Compare the policies on a random crowd, {_DEFAULT_CROWD} for example.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd.")
@click.option("--plot", metavar="FILE", help="With --simulate: draw it (.svg, .png or .pdf).")
@output_option("json", "yaml")
def command(
    paths: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    given: tuple[str, ...],
    node_file: str | None,
    policy: str | None,
    affinity: str,
    crowd: str | None,
    seed: int,
    plot: str | None,
    output: Output,
) -> int:
    """Show where pods would go on several nodes.

    A Pod is placed as a whole, or not at all. --policy shows what schedulers do that place its
    containers one by one: with affinity, by hoarding resources, or optimistically with roll-back.
    Exit code 1 when a pod finds no place.
    """
    chosen = [POLICIES[name] for name in (POLICIES if policy in (None, _ALL) else [policy])]
    if crowd is not None:
        if paths or files or given or node_file:
            raise UsageError("--simulate makes its own pods and nodes: name none")
        return _simulate(chosen, crowd, seed, plot, output)
    if plot:
        raise UsageError("--plot goes with --simulate", hint=f"--simulate {_DEFAULT_CROWD}")
    nodes = [*map(parse_node, given), *(_read_nodes(node_file) if node_file else ())]
    check_nodes(nodes)
    gangs = _gangs([*paths, *files], namespace, affinity)
    check_gangs(gangs, nodes)
    return _tell(nodes, gangs, chosen if policy else chosen[:1], output)


def _read_nodes(path: str) -> list[Node]:
    import yaml

    try:
        documents = list(yaml.safe_load_all(Path(path).read_text()))
    except OSError as error:
        raise UsageError(f"--nodes {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidManifest(f"{path}: {error}") from None
    found = [node for document in documents if document for node in nodes_of(document, path)]
    if not found:
        raise InvalidManifest(f"{path}: there is no node in it")
    return found


def _gangs(files: Sequence[str], namespace: str, affinity: str) -> list[Gang]:
    from podrun.cli.manifests import admitted, read_sources

    pods = admitted(read_sources(files), namespace=namespace)
    gangs = [gang_of(pod, affinity) for pod in pods]
    if not gangs:
        raise UsageError("there is no pod in it")
    return gangs


def _tell(
    nodes: Sequence[Node], gangs: Sequence[Gang], policies: Sequence[Any], output: Output
) -> int:
    from podrun.cli import scheduletable
    from podrun.schedule.story import Fate, tell

    told = [tell(nodes, gangs, policy) for policy in policies]
    if output.is_table:
        click.echo("\n".join(scheduletable.story(each, nodes) for each in told), nl=False)
    else:
        _print([scheduletable.as_object(each) for each in told], output)
    return 0 if all(end.fate is Fate.RUNS for end in told[0].ends) else 1


def _simulate(
    policies: Sequence[Any], crowd: str, seed: int, plot: str | None, output: Output
) -> int:
    from podrun.cli import scheduletable
    from podrun.schedule.simulate import simulate, workload

    gangs, _, nodes = crowd.partition("x")
    if not (gangs.isdecimal() and nodes.isdecimal() and int(gangs) and int(nodes)):
        raise UsageError(f"--simulate {crowd!r} is not PODSxNODES", hint=_DEFAULT_CROWD)
    work = workload(seed, int(gangs), int(nodes))
    figures = [simulate(work, policy) for policy in policies]
    if plot:
        from podrun.cli.scheduleplot import draw

        draw(figures, Path(plot))
    if output.is_table:
        click.echo(scheduletable.comparison(figures), nl=False)
    else:
        _print([msgspec.to_builtins(each) for each in figures], output)
    return 0


def _print(values: Sequence[dict[str, Any]], output: Output) -> None:
    whole = values[0] if len(values) == 1 else {"policies": values}
    if output.format == "jsonpath":
        from podrun.cli.jsonpath import render

        click.echo(render(output.template, whole), nl=False)
    else:
        click.echo(as_text(whole, output.format), nl=False)
