"""``podrun login``: a login is asked for, tried at the registry, kept where docker keeps it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from podrun.cli.command import verb
from podrun.errors import NotFound, UsageError

if TYPE_CHECKING:
    from podrun.node.config import Config
    from podrun.registry.config import Registries
    from podrun.registry.types import Credential

_PASSWORD_MAX = 64 << 10  # bytes; tokens of clouds have up to 4 KiB


@verb(
    "login",
    "podrun login",
    "podrun login registry.example:5000",
    "podrun login quay.io -u robot --password-stdin < token",
)
@click.argument("registry", default="", metavar="[REGISTRY]")
@click.option("-u", "--username", default="", metavar="NAME")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--tls-verify/--no-tls-verify",
    default=True,
    help="Verify the registry's certificate while the login is tried.",
)
@click.option("--get-login", is_flag=True, help="Print the name that is logged in, and no more.")
def command(
    registry: str, username: str, password_stdin: bool, tls_verify: bool, get_login: bool
) -> None:
    """Keep a name and password for a registry.

    They are tried there first. REGISTRY is a host or a part of its repositories (host/path);
    without it: Docker Hub, or where short names are looked for first.
    """
    from podrun.cli.root import require_root
    from podrun.node.config import load
    from podrun.registry.config import Registries

    require_root("log in for this machine")
    config = load()
    registries = Registries.load(config)
    place = registry_place(registry, registries)
    if get_login:
        _print_login(config, registries, place)
        return
    credential = _ask(place, username, password_stdin)
    _try(config, registries, place, credential, tls_verify)
    _keep(config, registries, place, credential)


def registry_place(text: str, registries: Registries) -> str:
    """``host[:port][/path]`` of what was typed, "" being the default. Raises UsageError."""
    from podrun.registry.authentry import place_of
    from podrun.registry.conffile import is_place

    place = place_of(text or registries.default_registry)
    if not is_place(place):
        raise UsageError(f"{text!r} is not a registry", hint="write host[:port], or host/path")
    return place


def _print_login(config: Config, registries: Registries, place: str) -> None:
    from podrun.registry.credentials import FileKeyring

    host, _, path = place.partition("/")
    keyring = FileKeyring(config, helpers=registries.credential_helpers)
    found = keyring.find(host, path)
    if not found:
        raise NotFound(f"not logged in to {place}", hint=f"podrun login {place}")
    click.echo(found[0].username or "<token>")


def _ask(place: str, username: str, password_stdin: bool) -> Credential:
    from podrun.registry.types import Credential

    if password_stdin:
        if not username:
            raise UsageError("--password-stdin needs a name", hint="-u NAME")
        password = sys.stdin.read(_PASSWORD_MAX).rstrip("\r\n")
    elif sys.stdin.isatty():
        username = username or click.prompt(f"Username for {place}", err=True)
        password = click.prompt("Password", hide_input=True, err=True)
    else:
        raise UsageError(
            "there is no terminal to ask for a password", hint="-u NAME --password-stdin"
        )
    if ":" in username or not username.isprintable():
        raise UsageError("a name has no colon and no control characters")
    if not password:
        raise UsageError("the password is empty")
    return Credential(username, password)


def _try(
    config: Config, registries: Registries, place: str, credential: Credential, tls_verify: bool
) -> None:
    import msgspec

    from podrun.registry.client import check_login
    from podrun.registry.types import RegistryError

    host, _, path = place.partition("/")
    endpoint = registries.registry(host, path)
    if not tls_verify and not endpoint.insecure:
        endpoint = msgspec.structs.replace(endpoint, insecure=True)
        _note(f"pulls still verify {host}: insecure = true in {config.registries_conf} changes it")
    try:
        check_login(endpoint, credential, config.certs_dirs)
    except RegistryError as error:
        if error.status in (401, 403):
            error.hint = "are name and password right? some registries want a token as password"
        raise


def _keep(config: Config, registries: Registries, place: str, credential: Credential) -> None:
    from podrun.registry.credentials import FileKeyring, login

    host, _, path = place.partition("/")
    kept = login(config, place, credential, helpers=registries.credential_helpers)
    click.echo(f"logged in to {place} as {credential.username}; kept in {kept}")
    first = FileKeyring(config, helpers=registries.credential_helpers).locate(host, path)
    if first is not None and first[0] != credential:
        _note(f"{first[1]} has another login for {place}, and goes first")


def _note(text: str) -> None:
    click.echo(f"note: {text}", err=True)
