"""The syntax of names: what the API server accepts, without regular expressions.

Each function returns why ``text`` is wrong, or "" when it is right. The limits are those of
RFC 1123 and of Kubernetes' validation package.
"""

from __future__ import annotations

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LABEL_HINT = (
    "must consist of lower case letters, digits and '-', and start and end with a letter or digit"
)
_SUBDOMAIN_HINT = (
    "must consist of lower case letters, digits, '-' and '.', and each part must start and end "
    "with a letter or digit"
)
_NAME_HINT = "must consist of letters, digits, '-', '_' and '.', and start and end with the former"
_CONFIG_KEY_HINT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def _is_label(text: str) -> bool:
    return bool(text) and _LOWER.issuperset(text.replace("-", "")) and _framed(text, _LOWER)


def _framed(text: str, ends: frozenset[str]) -> bool:
    return text[:1] in ends and text[-1:] in ends


def _too_long(text: str, most: int) -> str:
    return f"must be no more than {most} characters" if len(text) > most else ""


def dns_label(text: str) -> str:
    return _too_long(text, 63) or ("" if _is_label(text) else _LABEL_HINT)


def dns_subdomain(text: str) -> str:
    good = all(_is_label(part) for part in text.split("."))
    return _too_long(text, 253) or ("" if good else _SUBDOMAIN_HINT)


def _is_name(text: str) -> bool:
    inner = text.replace("-", "").replace("_", "").replace(".", "")
    return _ALNUM.issuperset(inner) and _framed(text, _ALNUM)


def qualified_name(text: str) -> str:
    """A key of a label or annotation: ``[prefix/]name``."""
    prefix, slash, name = text.rpartition("/")
    if slash and (why := dns_subdomain(prefix)):
        return f"prefix part {why}"
    return _too_long(name, 63) or ("" if _is_name(name) else f"name part {_NAME_HINT}")


def label_value(text: str) -> str:
    good = not text or _is_name(text)
    return _too_long(text, 63) or ("" if good else _NAME_HINT)


def port_name(text: str) -> str:
    """IANA_SVC_NAME: RFC 6335."""
    if len(text) > 15:
        return "must be no more than 15 characters"
    letters = any(each.isalpha() for each in text)
    if not letters or not _is_label(text) or "--" in text:
        return (
            "must consist of lower case letters, digits and single '-' between them, and contain "
            "at least one letter"
        )
    return ""


def http_header(text: str) -> str:
    good = bool(text) and _ALNUM.issuperset(text.replace("-", ""))
    return "" if good else "a valid HTTP header must consist of alphanumeric characters or '-'"


def config_key(text: str) -> str:
    """A key of a ConfigMap or Secret; it may become the name of a file."""
    if why := _too_long(text, 253):
        return why
    inner = text.replace("-", "").replace("_", "").replace(".", "")
    if not text or not _ALNUM.issuperset(inner):
        return _CONFIG_KEY_HINT
    if text in (".", ".."):
        return f"must not be '{text}'"
    return "must not start with '..'" if text.startswith("..") else ""


def env_name(text: str) -> str:
    good = bool(text) and all(" " <= each <= "~" and each != "=" for each in text)
    return "" if good else "must consist only of printable ASCII characters other than '='"


def ip_address(text: str) -> str:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return ""
    return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
