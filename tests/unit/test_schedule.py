"""The seed's story, step for step, and what holds under every policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.cli.main import entry
from podrun.errors import InvalidManifest, UsageError
from podrun.schedule.inputs import check_gangs, check_nodes, nodes_of, parse_node
from podrun.schedule.model import Gang, Member, Node, total
from podrun.schedule.policies import POLICIES
from podrun.schedule.policy import Did
from podrun.schedule.simulate import simulate, workload
from podrun.schedule.story import Fate, Told, tell

GI = 1 << 30
APP = Path(__file__).parents[2] / "manifests" / "schedule" / "app.yaml"


def gang(name: str = "app", sizes: Sequence[int] = (GI, GI, GI)) -> Gang:
    members = tuple(
        Member(member, {"memory": size})
        for member, size in zip(("main", "a", "b", "c", "d"), sizes, strict=False)
    )
    return Gang(name, members, total(members))


def story(policy: str, *gangs: Gang, nodes: Sequence[str] = ()) -> Told:
    found = nodes or ("node-1=memory:3Gi", "node-2=memory:2.5Gi")
    return tell([parse_node(text) for text in found], gangs or (gang(),), POLICIES[policy])


def lines(told: Told) -> list[tuple[str, str, str]]:
    return [(step.did.value, step.member, step.node) for step in told.steps]


# ── the seed's example ───────────────────────────────────────────────────────────────────────────


def test_by_pod_everything_lands_on_node_1_at_once() -> None:
    told = story("pod")
    assert lines(told) == [("started", "", "node-1")]
    assert told.ends[0].fate is Fate.RUNS
    assert told.wasted == {}


def test_by_affinity_main_and_a_land_on_node_2_and_b_is_stuck() -> None:
    told = story("affinity")
    assert lines(told) == [
        ("placed", "main", "node-2"),
        ("placed", "a", "node-2"),
        ("refused", "b", "node-2"),
    ]
    assert told.ends[0].fate is Fate.STUCK
    assert told.ends[0].members == ("main", "a")
    assert told.free[-1] == {"node-1": {"memory": 3 * GI}, "node-2": {"memory": GI // 2}}


def test_hoarding_waits_until_all_is_there() -> None:
    told = story("hoarding")
    assert lines(told) == [
        ("held", "main", "node-1"),
        ("held", "a", "node-1"),
        ("started", "b", "node-1"),
    ]
    assert told.wasted == {"memory": 3 * GI}  # 1 GiB for a turn, then 2


def test_hoarding_can_deadlock() -> None:
    told = story("hoarding", gang("app-1"), gang("app-2"), nodes=["node-1=memory:4Gi"])
    assert [end.fate for end in told.ends] == [Fate.DEADLOCKED, Fate.DEADLOCKED]
    named = [step.gang for step in told.steps if step.did is Did.DEADLOCK]
    assert named == ["app-1", "app-2"]


def test_one_that_waits_for_what_runs_is_no_deadlock() -> None:
    told = story("hoarding", gang("app-1"), gang("app-2"), nodes=["node-1=memory:5Gi"])
    assert [end.fate for end in told.ends] == [Fate.RUNS, Fate.STUCK]


def test_optimistic_places_conflicts_rolls_back_and_succeeds() -> None:
    told = story("optimistic")
    assert lines(told) == [
        ("placed", "main", "node-2"),
        ("placed", "a", "node-2"),
        ("conflict", "b", "node-2"),
        ("rolled back", "", "node-2"),
        ("placed", "main", "node-1"),
        ("placed", "a", "node-1"),
        ("started", "b", "node-1"),
    ]
    assert told.ends[0].fate is Fate.RUNS


def test_optimists_who_want_the_same_do_not_dance_for_ever() -> None:
    told = story("optimistic", gang("app-1"), gang("app-2"), nodes=["node-1=memory:4Gi"])
    assert sorted(end.fate for end in told.ends) == [Fate.RUNS, Fate.WAITS]


def test_by_pod_prefers_the_node_with_most_left() -> None:
    told = story("pod", gang(sizes=[GI]), nodes=["small=memory:2Gi", "large=memory:8Gi"])
    assert told.ends[0].node == "large"


def test_what_an_init_container_needs_is_kept_free_by_pod() -> None:
    one = Gang("app", (Member("main", {"memory": GI}),), {"memory": 3 * GI})
    told = story("pod", one, nodes=["node-1=memory:2Gi", "node-2=memory:4Gi"])
    assert told.free[-1]["node-2"] == {"memory": GI}


def test_a_resource_that_a_node_does_not_name_is_not_scarce() -> None:
    busy = Gang("app", (Member("main", {"cpu": 64000}),), {"cpu": 64000})
    assert story("pod", busy).ends[0].fate is Fate.RUNS


# ── what holds for whatever comes ────────────────────────────────────────────────────────────────

amounts = st.fixed_dictionaries({"memory": st.integers(1, 4), "cpu": st.integers(1, 4)})
members = st.lists(amounts, min_size=1, max_size=4)


@st.composite
def boards(draw: st.DrawFn) -> tuple[list[Node], list[Gang]]:
    nodes = [
        Node(f"node-{i}", draw(st.fixed_dictionaries({"memory": st.integers(4, 12)})) | {"cpu": 9})
        for i in range(draw(st.integers(1, 4)))
    ]
    gangs = []
    for number, requests in enumerate(draw(st.lists(members, min_size=1, max_size=6))):
        parts = tuple(Member(f"m{i}", request) for i, request in enumerate(requests))
        gangs.append(Gang(f"g{number}", parts, total(parts)))
    return nodes, gangs


@settings(deadline=None, max_examples=150)
@given(board=boards(), policy=st.sampled_from(sorted(POLICIES)))
def test_no_node_ever_gives_more_than_it_has(
    board: tuple[list[Node], list[Gang]], policy: str
) -> None:
    nodes, gangs = board
    told = tell(nodes, gangs, POLICIES[policy])
    for free in told.free:
        assert all(amount >= 0 for amounts in free.values() for amount in amounts.values())
    held = {node.name: dict(node.allocatable) for node in nodes}
    for end in told.ends:
        for resource, amount in end.holds.items():
            held[end.node][resource] -= amount
    assert not told.free or held == told.free[-1]  # what is gone is held by somebody


@settings(deadline=None, max_examples=100)
@given(board=boards())
def test_by_pod_never_a_part_of_a_pod_is_placed(board: tuple[list[Node], list[Gang]]) -> None:
    nodes, gangs = board
    for end, one in zip(tell(nodes, gangs, POLICIES["pod"]).ends, gangs, strict=True):
        names = tuple(member.name for member in one.members)
        assert (end.members, end.holds) in ((names, one.request), ((), {}))


@settings(deadline=None, max_examples=60)
@given(board=boards(), policy=st.sampled_from(sorted(POLICIES)))
def test_the_same_input_gives_the_same_run(
    board: tuple[list[Node], list[Gang]], policy: str
) -> None:
    nodes, gangs = board
    assert tell(nodes, gangs, POLICIES[policy]) == tell(nodes, gangs, POLICIES[policy])


@settings(deadline=None, max_examples=60)
@given(board=boards())
def test_a_deadlock_is_named_and_is_one(board: tuple[list[Node], list[Gang]]) -> None:
    """Whoever is deadlocked holds something, and would have room with what the others hold."""
    nodes, gangs = board
    told = tell(nodes, gangs, POLICIES["hoarding"])
    locked = {end.gang for end in told.ends if end.fate is Fate.DEADLOCKED}
    assert locked == {step.gang for step in told.steps if step.did is Did.DEADLOCK}
    assert len(locked) != 1
    assert all(end.holds for end in told.ends if end.gang in locked)


def test_a_crowd_is_the_same_for_the_same_seed() -> None:
    assert workload(7, 50, 10) == workload(7, 50, 10)
    assert workload(7, 50, 10) != workload(8, 50, 10)
    work = workload(7, 50, 10)
    assert simulate(work, POLICIES["optimistic"]) == simulate(work, POLICIES["optimistic"])


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_crowd_is_counted_right(policy: str) -> None:
    figures = simulate(workload(3, 80, 10), POLICIES[policy])
    assert figures.placed <= figures.gangs == 80
    assert all(used + idle <= 1.000001 for used, idle in zip(figures.used, figures.idle))  # noqa: B905
    if policy == "pod":
        assert figures.placed == 80
        assert figures.wasted == figures.conflicts == figures.deadlocks == 0
    else:
        assert figures.wasted > 0


# ── what users write ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("node-1", "is not NAME=RESOURCE:AMOUNT"),
        ("=cpu:4", "is not NAME=RESOURCE:AMOUNT"),
        ("n=cpu", "has no amount"),
        ("n=cpu:4,cpu:5", "is named twice"),
        ("n=cpu:4,memory:3GiB", "memory: '3GiB' is not a quantity"),
        ("n=gpu:1", "'gpu' is no resource"),
        ("n=cpu:-1", "less than nothing"),
    ],
)
def test_a_bad_node_is_named(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_node(text)
    assert says in refused.value.message
    assert text in refused.value.message


def test_a_node_given_twice_or_none_at_all_is_refused() -> None:
    one = parse_node("n=cpu:1")
    with pytest.raises(UsageError, match="n is given twice"):
        check_nodes([one, one])
    with pytest.raises(UsageError, match="no node"):
        check_nodes([])


def test_nodes_are_read_as_kubectl_prints_them() -> None:
    status = {"allocatable": {"cpu": "3920m", "memory": "16Gi", "pods": "110"}}
    listed = {
        "kind": "List",
        "items": [{"kind": "Node", "metadata": {"name": "w"}, "status": status}],
    }
    assert nodes_of(listed, "f") == [Node("w", {"cpu": 3920, "memory": 16 * GI})]
    assert nodes_of({"nodes": [{"name": "w", "cpu": 4}]}, "f") == [Node("w", {"cpu": 4000})]
    with pytest.raises(InvalidManifest, match=r"f: \[0\]\.name"):
        nodes_of({"nodes": [{"cpu": 4}]}, "f")


def test_a_pod_larger_than_every_node_is_refused() -> None:
    with pytest.raises(
        InvalidManifest, match=r"Insufficient memory: needs 3Gi, the largest .* 2Gi"
    ):
        check_gangs([gang()], [parse_node("n=memory:2Gi"), parse_node("m=memory:1Gi")])


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = entry(["schedule", *args])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


NODES = ("--node", "node-1=memory:3Gi", "--node", "node-2=memory:2.5Gi")


def test_the_command_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *NODES, "--policy", "all", str(APP))
    assert code == 0
    assert "pod/app runs on node-1" in out
    assert "pod/app is stuck: main, a hold 2Gi of node-2" in out
    code, out, _ = run(capsys, *NODES, "--policy", "affinity", str(APP))
    assert code == 1


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *NODES, "-o", "json", str(APP))
    told = json.loads(out)
    assert told["policy"] == "pod"
    assert told["steps"][0]["node"] == "node-1"
    assert told["steps"][0]["free"]["node-1"] == {"memory": 0}


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ([str(APP)], 2, "no node"),
        ([*NODES, "--affinity", "nobody", str(APP)], 2, "has no container nobody"),
        ([*NODES, "--node", "node-1=cpu:1", str(APP)], 2, "given twice"),
        (["--node", "n=memory:1Gi", str(APP)], 3, "can never be placed"),
        (["--simulate", "many"], 2, "not PODSxNODES"),
        (["--simulate", "5x5", str(APP)], 2, "name none"),
        ([*NODES, "--plot", "x.svg", str(APP)], 2, "--plot goes with --simulate"),
        ([*NODES], 2, "no manifest is named"),
    ],
)
def test_bad_input_names_the_argument(
    capsys: pytest.CaptureFixture[str], args: list[str], code: int, says: str
) -> None:
    found, out, err = run(capsys, *args)
    assert (found, out) == (code, "")
    assert says in err


def test_affinity_chooses_whom_the_others_want_to_be_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run(
        capsys, *NODES, "--policy", "affinity", "--affinity", "b", "-o", "json", str(APP)
    )
    assert [step["member"] for step in json.loads(out)["steps"]] == ["b", "main", "a"]


def test_the_plot_is_the_same_each_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        code, out, _ = run(capsys, "--simulate", "30x5", "--plot", str(tmp_path / name))
        assert code == 0
        assert "optimistic" in out
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert run(capsys, "--simulate", "5x5", "--plot", str(tmp_path / "x.txt"))[0] == 2
