"""Pulls that are cut, killed, lied to or doubled: what is used again, what is never used."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from podrun.errors import MechanismFailed, PodrunError
from podrun.image import oci
from podrun.image.partial import Partial
from podrun.image.types import BadArchive
from podrun.registry.client import Repository
from podrun.registry.types import NoKeyring, RegistryError
from tests.integration import image_lab as lab
from tests.integration import pull_lab
from tests.integration.image_lab import member
from tests.integration.pull_lab import Layer, Pulling, files, gzip_layer, noise, put
from tests.node import PROJECT, wait_until
from tests.registry import Misbehaving, Registry

LAYERS = [gzip_layer(member(f"file{n}", noise(1_500_000, str(n)))) for n in range(3)]
CUT = 600_000
APP = "robust/app:v1"


@pytest.fixture(scope="module")
def registry(registry: Registry) -> Registry:
    put(registry, APP, LAYERS)
    return registry


def ranges(proxy: Misbehaving, layer: Layer) -> list[str]:
    """Of each request for the layer: its Range header, "" without."""
    return [
        r["headers"].get("range", "")
        for r in proxy.requests()
        if r["method"] == "GET" and layer.digest in r["path"]
    ]


def digits(layer: Layer) -> str:
    return layer.digest[7:]


@contextlib.contextmanager
def elsewhere(here: Pulling, name: str) -> Iterator[int]:
    """The pid of another process that pulls; killed at the end, if it still runs."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            here.pull(name)
            os._exit(0)
        except PodrunError:
            os._exit(1)
        finally:
            os._exit(2)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def stall(layer: Layer, after: int = CUT) -> dict[str, object]:
    return {"match": f"GET .*{layer.digest}", "do": "stall", "after": after, "times": 1}


# Cut, killed ─────────────────────────────────────────────────────────────────────────────────────


def test_a_cut_connection_is_resumed(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults({"match": f"GET .*{LAYERS[1].digest}", "do": "cut", "after": CUT, "times": 1})
    image = here.pull(f"{proxy.host}/{APP}")
    assert [len(tree) for tree in here.trees(image)] == [2, 2, 2]
    assert ranges(proxy, LAYERS[1]) == ["", f"bytes={CUT}-"]


def test_a_killed_pull_leaves_nothing_visible_and_is_resumed(
    here: Pulling, proxy: Misbehaving
) -> None:
    proxy.faults(*(stall(layer) for layer in LAYERS[1:]))
    with elsewhere(here, f"{proxy.host}/{APP}") as pid:
        wait_until(lambda: here.partial.get(digits(LAYERS[0])) == len(LAYERS[0].blob))
        wait_until(lambda: here.partial.get(digits(LAYERS[2])) == CUT, what="the other layers")
        os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) == -signal.SIGKILL
    assert not here.store.layout.index().manifests
    assert not list(here.store.layout.blobs.iterdir())
    assert here.partial[digits(LAYERS[1])] == CUT
    image = here.pull(f"{proxy.host}/{APP}")
    assert len(here.trees(image)) == 3
    assert ranges(proxy, LAYERS[0]) == [""]  # it was complete
    assert ranges(proxy, LAYERS[1]) == ["", f"bytes={CUT}-"]
    assert here.partial == {}
    # the children of the killed one may have lived a moment longer, and kept their place
    wait_until(lambda: here.store.layout.sweep() is not None, what="a sweep")
    assert not list((here.store.layout.images / ".staging").iterdir())


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
def test_killed_at_any_point(here: Pulling, registry: Registry, seconds: float) -> None:
    lab.killed_after(seconds, lambda: here.pull(f"{registry.host}/{APP}"))
    for image in here.store.list():  # whole, or not there
        assert image.host or len(here.trees(image)) == 3
    image = here.pull(f"{registry.host}/{APP}")
    assert len(here.trees(image)) == 3
    assert here.partial == {}


def command(here: Pulling, *args: str) -> subprocess.Popen[bytes]:
    file = here.conf.with_name("config.json")
    file.write_bytes(msgspec.json.encode(here.config))
    return subprocess.Popen(
        [sys.executable, "-m", "podrun", "image", "pull", *args],
        env={**os.environ, "PODRUN_CONFIG": str(file)},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )


def test_interrupted_by_a_person(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults(*(stall(layer) for layer in LAYERS))
    running = command(here, f"{proxy.host}/{APP}")
    wait_until(lambda: list(here.partial.values()) == [CUT] * 3, what="the downloads")
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (130, b"", b"")
    assert not list((here.store.layout.images / ".staging").iterdir())
    assert list(here.partial.values()) == [CUT] * 3


def test_a_fetcher_that_is_killed_ends_the_pull(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults(stall(LAYERS[0]))
    running = command(here, f"{proxy.host}/{APP}")
    wait_until(lambda: here.partial.get(digits(LAYERS[0])) == CUT)
    first = wait_until(lambda: children(running.pid))[0]
    os.kill(int(first), signal.SIGKILL)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 1
    assert b"was killed" in err and not out
    assert not list((here.store.layout.images / ".staging").iterdir())


def test_what_a_failed_pull_has_fetched_waits_a_day(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults({"match": f"GET .*{LAYERS[2].digest}", "do": "answer", "status": 403})
    with pytest.raises(RegistryError):
        here.pull(f"{proxy.host}/{APP}")
    assert here.is_empty()
    assert here.partial  # of the other layers
    here.store.layout.sweep()
    assert here.partial
    for path in here.store.layout.partial.iterdir():
        os.utime(path, (1, 1))
    here.store.layout.sweep()
    assert here.partial == {}


def test_prune_removes_it_at_once(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults({"match": f"GET .*{LAYERS[2].digest}", "do": "answer", "status": 403})
    with pytest.raises(RegistryError):
        here.pull(f"{proxy.host}/{APP}")
    size = sum(here.partial.values())
    assert size
    assert here.store.prune().freed == size
    assert here.partial == {}


def test_a_full_disk_is_said_and_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    lab.run("mount", "-t", "tmpfs", "-o", "size=6m", "small", tmp_path / "disk")
    try:
        here = Pulling(tmp_path / "disk")
        with pytest.raises(MechanismFailed, match="No space left on device") as caught:
            here.pull(f"{registry.host}/{APP}")
        assert (caught.value.hint, caught.value.reason) == ("the disk is full", "ErrImagePull")
        assert here.is_empty()
    finally:
        lab.run("umount", tmp_path / "disk")


# Lies ────────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_bytes_are_never_used(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults({"match": f"GET .*{LAYERS[0].digest}", "do": "corrupt", "at": CUT, "times": 1})
    with pytest.raises(BadArchive, match=f"layer {digits(LAYERS[0])[:12]}"):
        here.pull(f"{proxy.host}/{APP}")
    assert here.is_empty()
    assert digits(LAYERS[0]) not in here.partial
    assert len(here.trees(here.pull(f"{proxy.host}/{APP}"))) == 3


def test_another_place_is_asked_when_a_mirror_lies(
    here: Pulling, proxy: Misbehaving, registry: Registry
) -> None:
    here.conf.write_text(
        f'[[registry]]\nprefix = "r.example"\nlocation = "{registry.host}"\n'
        f'[[registry.mirror]]\nlocation = "{proxy.host}"\n'
    )
    proxy.faults({"match": f"GET .*{LAYERS[1].digest}", "do": "corrupt", "at": CUT})
    image = here.pull(f"r.example/{APP}")
    assert len(here.trees(image)) == 3
    assert len(ranges(proxy, LAYERS[1])) == 1


def test_another_place_is_asked_when_a_mirror_has_not_all(
    here: Pulling, proxy: Misbehaving, registry: Registry
) -> None:
    here.conf.write_text(
        f'[[registry]]\nprefix = "r.example"\nlocation = "{registry.host}"\n'
        f'[[registry.mirror]]\nlocation = "{proxy.host}"\n'
    )
    proxy.faults({"match": "GET .*/blobs/", "do": "answer", "status": 404})
    assert len(here.trees(here.pull(f"r.example/{APP}"))) == 3


@pytest.mark.parametrize("size", [1, 100_000, len(LAYERS[0].blob)])
def test_a_rotten_part_is_fetched_anew(here: Pulling, proxy: Misbehaving, size: int) -> None:
    """As after a crash of the machine: the file has its length, but zeros for content."""
    here.store.layout.prepare()
    (here.store.layout.partial / digits(LAYERS[0])).write_bytes(bytes(size))
    assert len(here.trees(here.pull(f"{proxy.host}/{APP}"))) == 3
    asked = ranges(proxy, LAYERS[0])
    assert asked[-1] == ""
    assert here.partial == {}


def test_a_part_that_is_too_long_is_begun_anew(here: Pulling, proxy: Misbehaving) -> None:
    here.store.layout.prepare()
    path = here.store.layout.partial / digits(LAYERS[0])
    path.write_bytes(LAYERS[0].blob + b"more")
    assert len(here.trees(here.pull(f"{proxy.host}/{APP}"))) == 3
    assert ranges(proxy, LAYERS[0]) == [""]


def test_a_link_in_place_of_a_part_is_not_followed(
    here: Pulling, registry: Registry, tmp_path: Path
) -> None:
    here.store.layout.prepare()
    (here.store.layout.partial / digits(LAYERS[0])).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PodrunError, match="pull"):
        here.pull(f"{registry.host}/{APP}")
    assert not (tmp_path / "elsewhere").exists()


# Two at once ─────────────────────────────────────────────────────────────────────────────────────


def test_two_pulls_of_one_image_fetch_it_once(here: Pulling, proxy: Misbehaving) -> None:
    slow = files(slow=noise(400))
    put_slow(proxy, here, slow)
    name = f"{proxy.host}/robust/slow:v1"
    with elsewhere(here, name) as first:
        wait_until(lambda: here.partial.get(digits(slow)), what="the first bytes")
        with elsewhere(here, name) as second:
            assert (exit_code(first), exit_code(second)) == (0, 0)
    assert len(ranges(proxy, slow)) == 1
    assert len(here.trees(here.store.resolve(name))) == 1
    assert here.partial == {}


def put_slow(proxy: Misbehaving, here: Pulling, layer: Layer) -> None:
    config = pull_lab.config_of([layer])
    manifest = pull_lab.manifest_of([layer], config)
    with Repository(proxy.endpoint("robust/slow"), NoKeyring(), push=True) as there:
        for blob in (layer.blob, config):
            there.upload(oci.digest_of(blob), len(blob), io.BytesIO(blob), lambda sent: None)
        there.put_manifest("v1", oci.MANIFEST, json.dumps(manifest).encode())
    proxy.faults({"match": f"GET .*{layer.digest}", "do": "drip", "seconds": 0.004})


def test_the_second_takes_over_when_the_first_dies(here: Pulling, proxy: Misbehaving) -> None:
    proxy.faults(stall(LAYERS[0]))
    name = f"{proxy.host}/{APP}"
    with elsewhere(here, name) as first:
        wait_until(lambda: here.partial.get(digits(LAYERS[0])) == CUT)
        with elsewhere(here, name) as second:
            wait_until(lambda: len(children(second)) >= 2, what="its fetcher and unpacker")
            os.kill(first, signal.SIGKILL)
            assert exit_code(second) == 0
    assert ranges(proxy, LAYERS[0]) == ["", f"bytes={CUT}-"]


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_part_given_up_by_another_pull_is_kept_by_who_has_it(here: Pulling) -> None:
    here.store.layout.prepare()
    partial = Partial(here.store.layout, oci.Descriptor(oci.LAYER, LAYERS[0].digest, 4))
    os.write(partial.fd, b"data")
    partial.forget()
    target = here.store.layout.images / "kept"
    partial.keep_as(target)
    partial.close()
    assert target.read_bytes() == b"data"


# Left behind ─────────────────────────────────────────────────────────────────────────────────────


def refuse(here: Pulling, registry: Registry, act: Callable[[], object]) -> None:
    before = descriptors()
    with pytest.raises(PodrunError):
        act()
    assert descriptors() <= before
    assert here.is_empty()


def descriptors() -> int:
    """Without those that only wait for the collector."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_no_descriptor_and_no_child_stays(
    here: Pulling, registry: Registry, proxy: Misbehaving
) -> None:
    here.pull(f"{registry.host}/{APP}")
    here.store.prune(all_unused=True)
    before, family = descriptors(), children(os.getpid())
    image = here.pull(f"{registry.host}/{APP}")
    assert descriptors() <= before
    here.store.remove(image.name)
    proxy.faults({"match": f"GET .*{LAYERS[2].digest}", "do": "answer", "status": 404})
    refuse(here, registry, lambda: here.pull(f"{proxy.host}/{APP}"))
    assert children(os.getpid()) == family
