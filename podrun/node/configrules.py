"""What the values of the configuration may be: one rule for each key.

    key  ──►  rule: value ──► ""  it is right
                              why it is not, to stand behind the value: "is not a whole number …"

Rules see what JSON and YAML give: mappings, lists, strings, numbers. Only what a file says is
looked at; the defaults are right (a test proves it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from podrun.node.endpoint import LONGEST_RUN_ROOT

Rule = Callable[[Any], str]

_MOST = (1 << 63) - 1
_YEAR = 365 * 86400


def complaints(said: Mapping[Any, Any]) -> list[str]:
    """What is wrong with what a file says, a line each: the key, its value, what would be right."""
    return list(_complaints(said, RULES, ""))


def _complaints(said: Mapping[Any, Any], rules: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in said.items():
        rule = rules.get(key)
        if rule is None:
            yield f"{above}{key}: there is no such key{_meant(str(key), rules)}"
        elif isinstance(rule, Mapping) and isinstance(value, Mapping):
            yield from _complaints(value, rule, f"{above}{key}.")
        elif isinstance(rule, Mapping):
            yield f"{above}{key}: {_shown(value)} is not a mapping of {', '.join(rule)}"
        elif complaint := rule(value):
            yield f"{above}{key}: {_shown(value)} {complaint}"


def _meant(key: str, rules: Mapping[str, Any]) -> str:
    """``state_root`` and ``stateroot`` are stateRoot, too."""
    import difflib

    plain = {each.lower(): each for each in rules}
    asked = re.sub("[^a-z]", "", key.lower())
    close = difflib.get_close_matches(asked, plain, n=1, cutoff=0.7)
    return f"; did you mean {plain[close[0]]}?" if close else ""


def _shown(value: Any) -> str:
    """As JSON, in which it could have been written."""
    import msgspec

    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wanted(right: Callable[[Any], bool], what: str) -> Rule:
    return lambda value: "" if right(value) else f"is not {what}"


def _whole(least: int, most: int = _MOST, what: str = "a whole number") -> Rule:
    """JSON and YAML have booleans, which Python takes for numbers."""
    span = f"{least} or more" if most == _MOST else f"from {least} to {most}"
    return _wanted(lambda v: type(v) is int and least <= v <= most, f"{what}, {span}")


def _seconds(most: int) -> Rule:
    what = f"a number of seconds from 0 to {most}"
    return _wanted(lambda v: type(v) in (int, float) and 0 <= v <= most, what)


def _text(pattern: str, what: str) -> Rule:
    """The pattern is compiled only when the key is there."""
    return _wanted(lambda v: isinstance(v, str) and bool(re.fullmatch(pattern, v, re.ASCII)), what)


def _list_of(rule: Rule, what: str) -> Rule:
    return _wanted(lambda v: isinstance(v, list | tuple) and not any(map(rule, v)), what)


_PATH = r"/[^\0\n]*"
_path = _text(_PATH, "an absolute path")
_path_or_none = _text(f"({_PATH})?", 'an absolute path, or ""')
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DOMAIN = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
_percent = _whole(0, 100)
_bytes = _whole(1)


def _run_root(value: Any) -> str:
    wrong = _path(value)
    if not wrong and len(value.encode()) > LONGEST_RUN_ROOT:
        return f"is longer than {LONGEST_RUN_ROOT} bytes: no socket could have a name in it"
    return wrong


# kubectl's quantities, none below zero; nothing else is reserved for the system
_quantity = _text(
    r"(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?",
    "a quantity",
)
_reserved = _wanted(
    lambda v: (
        isinstance(v, Mapping)
        and all(name in ("cpu", "memory") and not _quantity(amount) for name, amount in v.items())
    ),
    "a mapping of cpu and memory to quantities in quotes, such as {cpu: '500m', memory: '100Mi'}",
)

# "*" only at the end, and not alone: that would be all that the kernel has
_sysctls = _list_of(
    _text(r"[a-z0-9][-_a-z0-9]*([./][-_a-z0-9]+)*[./]?\*?", ""),
    'a list of sysctl names, "*" at their end, such as [net.core.*, kernel.msgmax]',
)


def _pod_cidrs(value: Any) -> str:
    example = "wanted is one range a family, such as [10.85.0.0/16, fd85:706f:6472::/64]"
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        return f"is not a list of ranges; {example}"
    from ipaddress import ip_network

    versions = []
    for each in value:
        try:
            network = ip_network(each)
        except ValueError as error:
            return f"is wrong: {error}; {example}"
        if network.max_prefixlen - network.prefixlen < 2:
            return f"is wrong: {each} has no room for a gateway and a pod"
        if network.is_loopback or network.is_multicast or network.is_link_local:
            return f"is wrong: {each} is not a range for hosts"
        versions.append(network.version)
    one_each = versions and len(set(versions)) == len(versions)
    return "" if one_each else f"is not one range for each family at the most; {example}"


RULES: Mapping[str, Rule | Mapping[str, Rule]] = {
    "stateRoot": _path,
    "runRoot": _run_root,
    "logRoot": _path,
    "cgroupRoot": _text(
        r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.@:-]*(/[A-Za-z0-9_][A-Za-z0-9_.@:-]*)*",
        'a relative path without "..", such as podrun',
    ),
    "nodeName": _text(f"({_DOMAIN})?", 'a DNS name in lower case, or ""'),
    # dev_valid_name() forbids "/", ":" and blanks; IFNAMSIZ leaves 15 characters
    "bridge": _text(
        "[A-Za-z0-9][A-Za-z0-9_.-]{0,14}",
        "the name of a network interface: at most 15 letters, digits and _ . -",
    ),
    # nft(8): a letter, then letters, digits and / \ - _ .
    "nftTable": _text(
        "[A-Za-z][A-Za-z0-9_.-]{0,63}",
        "the name of an nftables table: a letter, then at most 63 letters, digits and _ . -",
    ),
    "podCidrs": _pod_cidrs,
    "clusterDomain": _text(_DOMAIN, "a DNS name in lower case, such as cluster.local"),
    "logMaxBytes": _whole(1, 1 << 50),
    "logMaxFiles": _whole(1, 1 << 20),
    "agentIdleSeconds": _seconds(_YEAR),
    "maxContainerRestartPeriod": _whole(1, 300),  # as the kubelet has it
    "systemReserved": _reserved,
    "registriesConf": _path,
    "certsDirs": _list_of(_path, "a list of absolute paths"),
    "authFile": _path_or_none,
    "maxParallelImagePulls": _whole(1),
    "imagePullBackoff": _seconds(300),
    "maxParallelLayers": _whole(1),
    "imageLimits": {
        "bytes": _bytes,
        "entries": _whole(1),
        "pathBytes": _bytes,
        "nameBytes": _bytes,
        "headerBytes": _bytes,
        "windowBytes": _bytes,
        "layers": _whole(1),
        "documentBytes": _bytes,
    },
    "podPidsLimit": _wanted(
        lambda v: type(v) is int and (v == -1 or 1 <= v <= _MOST),
        "a whole number, 1 or more, or -1 for no limit",
    ),
    "imageGcHighThresholdPercent": _percent,
    "imageGcLowThresholdPercent": _percent,
    "imageMinimumGcAge": _whole(0, what="a whole number of seconds"),
    "seccompDefault": _wanted(lambda v: isinstance(v, bool), "true or false"),
    "seccompProfileRoot": _path_or_none,
    "allowedUnsafeSysctls": _sysctls,
    # below are the host's own users; what begins at the end of the range has no room for any pod
    "usernsFirstId": _whole(1 << 16, (1 << 31) - 1),
}
