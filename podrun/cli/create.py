"""``podrun create configmap|secret``: an object from files and words, as kubectl makes it.

It must not exist yet, and goes the way of every manifest: checked, then asked of the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from podrun.cli.command import VerbGroup, namespace_option, option
from podrun.cli.complete import complete_file
from podrun.cli.output import Output, OutputType
from podrun.cli.sources import Data, Sources, docker_config, encoded, key_pair, read_data
from podrun.errors import Conflict, UsageError

F = TypeVar("F", bound=Callable[..., Any])

_DOCKER_HUB = "https://index.docker.io/v1/"


@click.group("create", cls=VerbGroup)
def command() -> None:
    """Make a ConfigMap or a Secret from files and words.

    `podrun apply` makes every other object, from its manifest.
    """


@command.group("secret", cls=VerbGroup)
def secret() -> None:
    """Make a Secret."""


def _sources_options(function: F) -> F:
    for decorate in (
        option(
            "--from-file",
            "files",
            multiple=True,
            metavar="[KEY=]PATH",
            help="A file, or all files of a directory; the key is the file's name.",
            shell_complete=complete_file,
        ),
        option("--from-literal", "literals", multiple=True, metavar="KEY=VALUE"),
        option(
            "--from-env-file",
            "env_files",
            multiple=True,
            metavar="PATH",
            help="A file of lines KEY=VALUE.",
            shell_complete=complete_file,
        ),
    ):
        function = decorate(function)
    return function


def _common_options(function: F) -> F:
    for decorate in (
        namespace_option,
        option("--dry-run", is_flag=True, help="Print it, or that it would be made, and no more."),
        option("-o", "--output", type=OutputType("yaml", "json", "name"), metavar="FORMAT"),
        option("--immutable", is_flag=True, help="What it holds can never be changed."),
    ):
        function = decorate(function)
    return function


@command.command("configmap")
@click.argument("name")
@_sources_options
@_common_options
def config_map(
    name: str,
    files: tuple[str, ...],
    literals: tuple[str, ...],
    env_files: tuple[str, ...],
    **how: Any,
) -> None:
    """Make a ConfigMap. What is no UTF-8 goes into binaryData."""
    data = read_data(Sources(files, literals, env_files), f'ConfigMap "{name}"')
    texts, binary = _parted(data)
    body = {"data": texts, "binaryData": encoded(binary)}
    _create("ConfigMap", name, body, **how)


def _parted(data: Data) -> tuple[dict[str, str], Data]:
    texts: dict[str, str] = {}
    binary: Data = {}
    for key, content in data.items():
        try:
            texts[key] = content.decode()
        except UnicodeDecodeError:
            binary[key] = content
    return texts, binary


@secret.command("generic")
@click.argument("name")
@_sources_options
@option("--type", "kind", default="", metavar="TYPE", help="The Secret's type [Opaque].")
@_common_options
def generic(
    name: str,
    files: tuple[str, ...],
    literals: tuple[str, ...],
    env_files: tuple[str, ...],
    kind: str,
    **how: Any,
) -> None:
    """Make a Secret of any type."""
    data = read_data(Sources(files, literals, env_files), f'Secret "{name}"')
    _create("Secret", name, {"data": encoded(data), "type": kind}, **how)


@secret.command("docker-registry")
@click.argument("name")
@option("--docker-server", "server", default=_DOCKER_HUB, metavar="URL", help="The registry.")
@option("--docker-username", "username", default="", metavar="NAME")
@option("--docker-password", "password", default="", metavar="WORD")
@option("--docker-email", "email", default="", metavar="ADDRESS")
@option("--from-file", "files", multiple=True, metavar="PATH", help="A docker config.json.")
@_common_options
def docker_registry(
    name: str,
    server: str,
    username: str,
    password: str,
    email: str,
    files: tuple[str, ...],
    **how: Any,
) -> None:
    """Make a Secret for imagePullSecrets: the login of a registry."""
    if files:
        data = read_data(Sources(tuple(map(_as_config, files))), f'Secret "{name}"')
    elif username and password and server:
        data = {".dockerconfigjson": docker_config(server, username, password, email)}
    else:
        raise UsageError(
            "either --from-file or the combination of --docker-username, --docker-password and "
            "--docker-server is required"
        )
    body = {"data": encoded(data), "type": "kubernetes.io/dockerconfigjson"}
    _create("Secret", name, body, **how)


def _as_config(source: str) -> str:
    return source if "=" in source else f".dockerconfigjson={source}"


@secret.command("tls")
@click.argument("name")
@option("--cert", default="", metavar="PATH", help="The certificate, PEM.")
@option("--key", default="", metavar="PATH", help="Its private key, PEM, not encrypted.")
@_common_options
def tls(name: str, cert: str, key: str, **how: Any) -> None:
    """Make a Secret of a certificate and its key."""
    if not (cert and key):
        raise UsageError("key and cert must be specified")
    data = key_pair(cert, key)
    _create("Secret", name, {"data": encoded(data), "type": "kubernetes.io/tls"}, **how)


def _create(
    kind: str,
    name: str,
    body: dict[str, Any],
    *,
    namespace: str,
    dry_run: bool,
    output: Output | None,
    immutable: bool,
) -> None:
    """Raises InvalidManifest, Conflict when there is one, and PodrunError."""
    from podrun.cli.manifests import admitted_objects
    from podrun.cli.output import as_text
    from podrun.cli.root import require_root

    if output is not None and not dry_run:
        raise UsageError("-o goes with --dry-run only")
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    whole = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body}
    whole["immutable"] = immutable
    plain = {field: value for field, value in whole.items() if value}
    content = as_text(plain, "json").encode()
    (thing,) = admitted_objects([(content, f"{kind.lower()}/{name}")], namespace=namespace)
    named = f"{kind.lower()}/{name}"
    if dry_run:
        form = output.format if output is not None else ""
        text = as_text(plain, form) if form in ("yaml", "json") else f"{named}\n"
        click.echo(text if form else f"{named} created (dry run)\n", nl=False)
        return
    require_root("create objects")
    _check_new(kind, thing.metadata.namespace, name)
    _send(content, named, namespace)


def _check_new(kind: str, namespace: str, name: str) -> None:
    from podrun.api.kinds import BY_NAME
    from podrun.cli.objects import ObjectReader

    if ObjectReader().store.version(BY_NAME[kind], namespace, name):
        raise Conflict(
            f'{BY_NAME[kind].plural} "{name}" already exists',
            hint="`--dry-run -o yaml` and `podrun apply -f -` change it",
        )


def _send(content: bytes, named: str, namespace: str) -> None:
    from podrun.cli.applying import send
    from podrun.cli.root import owner_gid

    request = {
        "verb": "apply",
        "sources": [{"name": named, "size": len(content)}],
        "namespace": namespace,
        "ownerGid": owner_gid(),
        "wait": "none",
    }
    send(request, content, quiet=False)
