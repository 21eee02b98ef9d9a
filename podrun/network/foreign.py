"""Beside Docker: its forward chain drops what it does not know, and an accept in a table of ours
does not undo that. ``DOCKER-USER`` is the chain that Docker leaves to others and never clears.

The rules are what ``iptables -I DOCKER-USER -i podrun0 -j ACCEPT`` makes, with a comment by which
they are found again. Other firewalls are only reported (``podrun.network.check``): whoever runs
them decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podrun.network import nft
from podrun.network.layout import Layout

_WAYS = ("iifname", "oifname")
_HANDLE = re.compile(r'comment "(?P<tag>[^"]*)" # handle (?P<handle>\d+)')


def allow(layout: Layout) -> None:
    """Let what comes from and goes to the bridge pass, where there is a DOCKER-USER."""
    for family, listing in _chains():
        if _tag(layout) not in listing:
            rule = f"insert rule {family} filter DOCKER-USER"
            verdict = f'counter accept comment "{_tag(layout)}"'
            nft.run(
                "let pods pass Docker's firewall",
                "".join(f'{rule} {way} "{layout.bridge}" {verdict}\n' for way in _WAYS),
            )


def withdraw(layout: Layout) -> None:
    """Take our rules out of it."""
    for family, listing in _chains():
        for found in _HANDLE.finditer(listing):
            if found["tag"] == _tag(layout):
                nft.run(
                    "withdraw from Docker's firewall",
                    f"delete rule {family} filter DOCKER-USER handle {found['handle']}",
                )


def _chains() -> Iterator[tuple[str, str]]:
    for family in ("ip", "ip6"):
        try:
            command = f"list chain {family} filter DOCKER-USER"
            yield family, nft.run("look for Docker's firewall", command, handles=True)
        except nft.NftFailed:
            continue  # no Docker


def _tag(layout: Layout) -> str:
    return f"podrun {layout.bridge}"
