"""What a user writes: names, labels, paths into objects, durations."""

from __future__ import annotations

from typing import Any

import click
import pytest

from podrun.cli import jsonpath
from podrun.cli.command import Duration
from podrun.cli.names import Named, parse_named, parse_objects, parse_pod
from podrun.cli.selector import parse_selector
from podrun.errors import UsageError

# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], Named("pod", ())),
        (["web"], Named("pod", ("web",))),
        (["web", "db"], Named("pod", ("web", "db"))),
        (["pod", "web"], Named("pod", ("web",))),
        (["po", "web", "db"], Named("pod", ("web", "db"))),
        (["pods"], Named("pod", ())),
        (["Pods", "web"], Named("pod", ("web",))),
        (["pods.v1", "web"], Named("pod", ("web",))),
        (["pod/web", "pods/db"], Named("pod", ("web", "db"))),
        (["pod/pods"], Named("pod", ("pods",))),
        (["events"], Named("event", ())),
        (["pod", "pod/web"], Named("pod", ("web",))),
    ],
)
def test_names(args: list[str], expected: Named) -> None:
    assert parse_named(args) == expected


@pytest.mark.parametrize("args", [["services"], ["svc", "x"], ["pv/x"], ["nodes.v1", "x"]])
def test_types_podrun_has_not(args: list[str]) -> None:
    with pytest.raises(UsageError, match="not supported yet"):
        parse_named(args, lists=True)
    with pytest.raises(UsageError, match="not supported yet"):
        parse_objects(args, lists=True)


@pytest.mark.parametrize(
    "args", [["cm/x"], ["secrets.v1", "x"], ["web", "pvc/data"], ["cm,po", "x"]]
)
def test_types_that_are_no_pods(args: list[str]) -> None:
    with pytest.raises(UsageError, match="only pods"):
        parse_named(args)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], [Named("pod", ())]),
        (["web"], [Named("pod", ("web",))]),
        (["cm"], [Named("configmap", ())]),
        (["ConfigMaps", "a", "b"], [Named("configmap", ("a", "b"))]),
        (["secret.v1", "a"], [Named("secret", ("a",))]),
        (["pvc/a", "web", "persistentvolumeclaims/b"],
         [Named("persistentvolumeclaim", ("a", "b")), Named("pod", ("web",))]),
        (["cm,secrets,cm", "a"], [Named("configmap", ("a",)), Named("secret", ("a",))]),
        (["service"], [Named("pod", ("service",))]),
        (["pod/cm"], [Named("pod", ("cm",))]),
    ],
)  # fmt: skip
def test_objects(args: list[str], expected: list[Named]) -> None:
    assert list(parse_objects(args)) == expected


def test_a_lone_word_is_likelier_a_name() -> None:
    assert parse_named(["job"]) == Named("pod", ("job",))
    assert parse_named(["secret"]) == Named("pod", ("secret",))
    with pytest.raises(UsageError, match="not supported yet"):
        parse_named(["service", "web"])


@pytest.mark.parametrize("args", [["pod/"], ["web/x"], ["pod/web", "event/x"]])
def test_bad_names(args: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_named(args)


def test_one_pod() -> None:
    assert parse_pod("web") == parse_pod("pod/web") == "web"
    assert parse_pod("secret") == "secret"  # a pod may be called so


# ── labels ──────────────────────────────────────────────────────────────────────────────────────

LABELS = {"app": "web", "tier": "front", "example.com/x": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app=web,tier=front", True),
        ("app=web,tier=back", False),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("app notin (db, x),tier=front", True),
        ("missing notin (db)", True),
        ("missing in (db)", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("example.com/x=", True),
    ],
)
def test_selectors(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["app=", ","])
def test_selectors_with_empty_values(text: str) -> None:
    if text == "app=":
        assert not parse_selector(text).matches(LABELS)
    else:
        with pytest.raises(UsageError):
            parse_selector(text)


@pytest.mark.parametrize("text", ["a=b=c", "app in web", "=x", "a b", "app in (x", "a;b"])
def test_bad_selectors(text: str) -> None:
    with pytest.raises(UsageError, match="label selector"):
        parse_selector(text)


# ── jsonpath ────────────────────────────────────────────────────────────────────────────────────

DATA: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1, "ok": True},
        {"metadata": {"name": "b"}, "n": 2, "ok": False},
    ],
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{.kind}", "List"),
        (".kind", "List"),
        ("{$.kind}", "List"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[0:1].n}", "1"),
        ("{.items[*].n}", "1 2"),
        ("{.items[0].ok}", "true"),
        ("{.items[1].metadata}", '{"name":"b"}'),
        ("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x"),
        ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
        ('{.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.conditions[?(@.type!='Ready')].type}", "Other"),
        ("{.items[?(@.n==2)].metadata.name}", "b"),
        ("{.items[?(@.ok==true)].metadata.name}", "a"),
        ("{.items[?(@.metadata.labels)].n}", "1"),
        ('{.items[0].n}{"\\t"}{.items[1].n}{"\\n"}', "1\t2\n"),
        ("name={.kind}!", "name=List!"),
        ("{.missing.deep[3]}", ""),
        ("{.items[9]}", ""),
        ("{['kind']}", "List"),
        ('{"{x}"}', "{x}"),
        ('{range .items[*]}{.metadata.name}={.n}{"\\n"}{end}', "a=1\nb=2\n"),
        ("<{range .items[*]}[{range .metadata}{@.name}{end}]{end}>", "<[a][b]>"),
        ('{range .conditions[?(@.status=="True")]}{.type}{end}', "Ready"),
        ("{range .missing[*]}x{end}", ""),
    ],
)
def test_jsonpath(template: str, expected: str) -> None:
    assert jsonpath.render(template, DATA) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{.a",
        "{.a}}",
        "{range .items[*]}{.n}",
        "{.n}{end}",
        "{range .a[}{end}",
        "{.a[}",
        "{.a[x]}",
        "{.a[?(@.b==c)]}",
        "{a b}",
    ],
)
def test_bad_jsonpath(template: str) -> None:
    with pytest.raises(UsageError, match="jsonpath"):
        jsonpath.check(template)


# ── durations ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1m30s", 90),
        ("2h", 7200),
        ("100ms", 0.1),
        ("1.5m", 90),
        ("-1", -1),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "5 m", "5d", "m5"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)
