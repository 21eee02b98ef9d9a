from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.errors import Unavailable, UsageError
from podrun.network import leases
from podrun.network.layout import Layout, layout_of, pod_mac, veth_name
from podrun.network.lock import locked
from podrun.node.config import Config
from podrun.node.paths import Paths


def make(root: Path, *cidrs: str) -> tuple[Paths, Layout]:
    config = Config(state_root=str(root), pod_cidrs=cidrs or ("10.9.0.0/29", "fd00:9::/64"))
    return Paths(config), layout_of(config)


def test_the_first_pod_gets_the_address_behind_the_gateway(tmp_path: Path) -> None:
    paths, layout = make(tmp_path)
    assert [r.gateway for r in layout.ranges] == ["10.9.0.1", "fd00:9::1"]
    assert leases.lease(paths, layout, "a") == ("10.9.0.2", "fd00:9::2")


def test_a_pod_keeps_its_addresses(tmp_path: Path) -> None:
    paths, layout = make(tmp_path)
    first = leases.lease(paths, layout, "a")
    leases.lease(paths, layout, "b")
    assert leases.lease(paths, layout, "a") == first
    assert leases.held(paths, "a") == first


def test_a_released_address_comes_back_only_after_all_others(tmp_path: Path) -> None:
    paths, layout = make(tmp_path)
    given_out = []
    for number in range(7):  # a /29 has 8 addresses: five for pods
        uid = f"pod{number}"
        given_out.append(leases.lease(paths, layout, uid)[0])
        leases.release(paths, uid)
    assert given_out == [f"10.9.0.{n}" for n in (2, 3, 4, 5, 6, 2, 3)]


def test_an_exhausted_range_is_an_error_that_takes_nothing(tmp_path: Path) -> None:
    paths, layout = make(tmp_path)
    for number in range(5):
        leases.lease(paths, layout, f"pod{number}")
    with pytest.raises(Unavailable, match=r"no address is left in 10\.9\.0\.0/29") as caught:
        leases.lease(paths, layout, "one-too-many")
    assert caught.value.reason == "AddressesExhausted"
    assert "podCidrs" in caught.value.hint
    assert leases.held(paths, "one-too-many") == ()
    leases.release(paths, "pod3")
    assert leases.lease(paths, layout, "late")[0] == "10.9.0.5"


def test_what_one_family_lacks_is_not_taken_from_the_other(tmp_path: Path) -> None:
    paths, layout = make(tmp_path, "10.9.0.0/24", "fd00:9::/126")
    leases.lease(paths, layout, "a")
    leases.lease(paths, layout, "b")  # ::2 and ::3; ::1 is the gateway
    with pytest.raises(Unavailable, match="fd00:9::/126"):
        leases.lease(paths, layout, "c")
    assert leases.held(paths, "c") == ()


def test_another_range_in_the_configuration_gives_another_address(tmp_path: Path) -> None:
    paths, layout = make(tmp_path, "10.9.0.0/24")
    leases.lease(paths, layout, "a")
    paths, layout = make(tmp_path, "10.77.0.0/24")
    assert leases.lease(paths, layout, "a") == ("10.77.0.2",)
    leases.release(paths, "a")  # of both
    assert leases.by_uid(paths) == {}


def test_strange_files_do_no_harm(tmp_path: Path) -> None:
    paths, layout = make(tmp_path)
    leases.lease(paths, layout, "a")
    (paths.network / "leases" / "README").write_text("?")
    (paths.network / "last" / "4").write_text("rubbish")
    assert leases.lease(paths, layout, "b") == ("10.9.0.3", "fd00:9::3")
    assert set(leases.by_uid(paths)) == {"a", "b"}


def test_no_address_twice_among_processes_at_once(tmp_path: Path) -> None:
    paths, layout = make(tmp_path, "10.9.0.0/25", "fd00:9::/64")
    children = []
    for worker in range(6):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for number in range(20):
                    with locked(paths):
                        leases.lease(paths, layout, f"{worker}-{number}")
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
    found = leases.by_uid(paths)
    assert len(found) == 120
    assert len({ip for ips in found.values() for ip in ips}) == 240


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=40))
def test_leases_never_overlap(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]]
) -> None:
    paths, layout = make(tmp_path_factory.mktemp("leases"))
    expected: dict[str, tuple[str, ...]] = {}
    for taking, number in steps:
        uid = f"pod{number}"
        if not taking:
            leases.release(paths, uid)
            expected.pop(uid, None)
        elif uid in expected or len(expected) < 5:
            expected[uid] = leases.lease(paths, layout, uid)
    assert leases.by_uid(paths) == expected
    assert len({ips[0] for ips in expected.values()}) == len(expected)


@pytest.mark.parametrize(
    ("settings_", "complaint"),
    [
        ({"pod_cidrs": ("10.0.0.0/8", "10.1.0.0/16")}, "one range for each family"),
        ({"pod_cidrs": ()}, "one range for each family"),
        ({"pod_cidrs": ("10.0.0.1/8",)}, "host bits set"),
        ({"pod_cidrs": ("10.0.0.0/31",)}, "no room"),
        ({"pod_cidrs": ("127.0.0.0/8",)}, "not a range for hosts"),
        ({"pod_cidrs": ("pods",)}, "pods"),
        ({"bridge": "a-name-that-is-too-long"}, "network interface"),
        ({"bridge": 'x";drop'}, "network interface"),
        ({"nft_table": "a table"}, "nftables table"),
    ],
)
def test_nonsense_in_the_configuration(settings_: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        layout_of(Config(**settings_))  # type: ignore[arg-type]


def test_names_fit_and_differ() -> None:
    uids = [f"uid-{n}" for n in range(2000)]
    names = {veth_name(uid) for uid in uids}
    assert len(names) == len(uids)
    assert {len(name) for name in names} == {15}  # IFNAMSIZ - 1
    assert pod_mac("10.85.0.2") != pod_mac("10.85.0.3")


def test_leases_and_types_do_not_load_pyroute2() -> None:
    code = (
        "import sys, podrun.network.leases, podrun.network.types, podrun.network.attach;"
        "sys.exit('pyroute2' in sys.modules or 'asyncio' in sys.modules)"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
