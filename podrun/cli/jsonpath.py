"""The part of kubectl's JSONPath that scripts use.

    template    text outside of braces is printed as it is: 'ip={.status.podIP}{"\\n"}'
    {.a.b}      a field; {['a.b/c']} or {.a\\.b} when its name has dots; a leading $ is allowed
    {.a[0]}     an element; [-1] the last; [*] all; [0:2] a slice
    {.a[?(@.type=="Ready")].status}     the elements for which ==, != or existence holds
    {"text"}    text with the escapes of JSON
    {range .items[*]}…{end}     what stands between them, for each; paths in it start there

Several results are separated by a blank. What does not exist prints nothing, as in kubectl.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from podrun.errors import UsageError

_LISTS = (list, tuple)  # objects that were never JSON have the latter

Part = Callable[[Any], str]
Step = Callable[[Any], Iterator[Any]]

_TOKEN = re.compile(
    r"""
    \.(?P<field>(?:\\.|[^.\[\]{}'"\s\\*])+) | \.?(?P<all>\[\*\]|(?<=\.)\*) | \[(?P<index>-?\d+)\]
    | \[(?P<slice>-?\d*:-?\d*)\] | \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]
    | \[\?\(@(?P<path>[^=!<>)]*?)\s*(?:(?P<op>==|!=)\s*(?P<value>'[^']*'|"[^"]*"|[^)]+?))?\s*\)\]
    """,
    re.VERBOSE,
)


def render(template: str, data: Any) -> str:
    """``data`` is mappings, lists and scalars. Raises UsageError when ``template`` is none."""
    return "".join(part(data) for part in _parts(template))


def check(template: str) -> None:
    """Raises UsageError when ``template`` is none."""
    _parts(template)


def values(path: str, data: Any) -> list[Any]:
    """What ``.a.b[0]`` (without braces) finds in ``data``."""
    found = [data]
    for step in _steps(path.lstrip("$@")):
        found = [inner for each in found for inner in step(each)]
    return found


def expected(text: str) -> tuple[str, str]:
    """Path and value of ``{.a.b}=VALUE``; ``{.a.b}`` has the value "". Raises UsageError."""
    path, brace, value = text.partition("}")
    path, value = path.removeprefix("{"), value.removeprefix("=")
    if not (brace and path):
        raise UsageError(f"--for=jsonpath={text}: not understood", hint="jsonpath={.a.b}=VALUE")
    check(path)
    return path, value


def holds(path: str, value: str, data: Any) -> bool:
    """Whether ``data`` has that value there or, where it is "", anything at all."""
    found = [text(each) for each in values(path, data)]
    return value in found if value else bool(found)


def text(value: Any) -> str:
    """A scalar as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _parts(template: str) -> list[Part]:
    if "{" not in template:  # kubectl takes .a.b for {.a.b}
        template = f"{{{template}}}"
    found = re.findall(r"""([^{]+)|\{((?:"(?:\\.|[^"])*"|'[^']*'|[^{}"'])*)\}""", _closed(template))
    return _block(iter(found), "")


def _block(tokens: Iterator[tuple[str, str]], ranged: str) -> list[Part]:
    """Up to the end of the range over ``ranged``, or of the template."""
    parts: list[Part] = []
    for literal, expression in tokens:
        word, _, path = expression.strip().partition(" ")
        if word == "end":
            if not ranged:
                raise UsageError("jsonpath {end}: there is no {range …} before it")
            return parts
        if word == "range":
            parts.append(_range(path.strip(), _block(tokens, path or ".")))
        else:
            parts.append(_part(literal, expression.strip()))
    if ranged:
        raise UsageError(f"jsonpath {{range {ranged}}}: no {{end}} follows")
    return parts


def _range(path: str, body: list[Part]) -> Part:
    list(_steps(path.lstrip("$@")))
    return lambda data: "".join(part(each) for each in values(path, data) for part in body)


def _closed(template: str) -> str:
    rest = re.sub(r"""\{(?:"(?:\\.|[^"])*"|'[^']*'|[^{}"'])*\}""", "", template)
    if "{" in rest or "}" in rest:
        raise UsageError(f"jsonpath {template!r}: a brace or a quote is not closed")
    return template


def _part(literal: str, expression: str) -> Part:
    if literal:
        return lambda data: literal
    if expression[:1] in ("'", '"'):
        said = _unquoted(expression)
        return lambda data: said
    list(_steps(expression.lstrip("$@")))  # a mistake is an error even without any object
    return lambda data: " ".join(map(text, values(expression, data)))


def _unquoted(expression: str) -> str:
    try:
        said: str = msgspec.json.decode(f'"{expression[1:-1]}"', type=str)
    except msgspec.DecodeError:
        raise UsageError(f"jsonpath: {expression} is no text") from None
    return said


def _steps(path: str) -> Iterator[Step]:
    at = 0
    if path in ("", ".", "@"):
        return
    path = path if path[0] in ".[" else f".{path}"
    while at < len(path):
        token = _TOKEN.match(path, at)
        if token is None or token.end() == at:
            raise UsageError(f"jsonpath {path!r}: cannot read {path[at:]!r}")
        at = token.end()
        yield _step(token)


def _step(token: re.Match[str]) -> Step:
    name = token["field"] or token["key"]
    if name is not None:
        return _field(name if token["key"] else re.sub(r"\\(.)", r"\1", name))
    if token["index"] is not None:
        number = int(token["index"])
        return _slice(slice(number, number + 1 if number != -1 else None))
    if token["slice"] is not None:
        ends = [int(end) if end else None for end in token["slice"].split(":")]
        return _slice(slice(*ends))
    if token["path"] is not None:
        return _filter(token["path"], token["op"], token["value"])
    return _all


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _slice(which: slice) -> Step:
    return lambda value: iter(value[which] if isinstance(value, _LISTS) else ())


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, _LISTS):
        yield from value


def _filter(path: str, operator: str | None, operand: str | None) -> Step:
    wanted = _operand(operand) if operand is not None else None

    def holds(element: Any) -> bool:
        found = values(path, element)
        if operator is None:
            return bool(found)
        return (found == [wanted]) is (operator == "==")

    return lambda value: (each for each in _all(value) if holds(each))


def _operand(operand: str) -> Any:
    if operand[:1] in ("'", '"'):
        return operand[1:-1]
    try:
        return msgspec.json.decode(operand)
    except msgspec.DecodeError:
        raise UsageError(f"jsonpath: {operand} is no value", hint="put text in quotes") from None
