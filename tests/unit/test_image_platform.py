"""Which image of a list is for a machine: containerd's order, variants, what is no image."""

from __future__ import annotations

import pytest

from podrun.errors import UsageError
from podrun.image import oci, platform
from podrun.image.oci import Platform
from podrun.image.types import BadArchive

ARM64 = Platform("arm64", "linux")


def entry(text: str, digit: str = "1", **annotations: str) -> oci.Descriptor:
    os_, _, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    where = Platform(architecture, os_, variant) if text else None
    marks = {key.replace("_", "."): value for key, value in annotations.items()}
    return oci.Descriptor(oci.MANIFEST, "sha256:" + digit * 64, 1, marks or None, where)


def index(*names: str) -> oci.Index:
    return oci.Index(tuple(entry(name, hex(n)[2:]) for n, name in enumerate(names)))


def chosen(wanted: str, *names: str) -> str:
    found = platform.choose(index(*names), platform.parse(wanted), "it")
    return names[int(found.digest[7], 16)]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("linux/amd64", "linux/amd64"), ("amd64", "linux/amd64"), ("x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"), ("linux/amd64/v3", "linux/amd64/v3"),
        ("Linux/AArch64", "linux/arm64"), ("arm64/v8", None), ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"), ("linux/arm", "linux/arm"), ("armhf", "linux/arm"),
        ("linux/arm/7", "linux/arm"), ("linux/arm/v6", "linux/arm/v6"), ("armel", "linux/arm/v6"),
        ("i386", "linux/386"), ("riscv64", "linux/riscv64"), ("windows/amd64", None),
        ("linux/z80", None), ("linux", None), ("", None), ("linux/arm/v7/x", None),
    ],
)  # fmt: skip
def test_platforms_are_spelt_in_many_ways(text: str, means: str | None) -> None:
    if means is None:
        with pytest.raises(UsageError, match="no platform of Linux"):
            platform.parse(text)
    else:
        assert platform.shown(platform.parse(text)) == means


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ("linux/amd64/v3", ["amd64/v3", "amd64/v2", "amd64", "386"]),
        ("linux/arm64", ["arm64", "arm/v8", "arm", "arm/v6", "arm/v5"]),
        ("linux/arm64/v9", ["arm64/v9", "arm64", "arm/v8", "arm", "arm/v6", "arm/v5"]),
        ("linux/arm", ["arm", "arm/v6", "arm/v5"]),
        ("linux/arm/v6", ["arm/v6", "arm/v5"]),
        ("linux/s390x", ["s390x"]),
    ],
)
def test_the_order_of_what_runs(wanted: str, order: list[str]) -> None:
    found = platform.preferred(platform.parse(wanted))
    assert [platform.shown(one) for one in found] == [f"linux/{name}" for name in order]


def test_this_machine_takes_the_variants_its_processor_can_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "this", lambda: Platform("amd64", "linux"))
    monkeypatch.setattr(platform, "amd64_level", lambda flags: 3)
    order = platform.preferred(Platform("amd64", "linux"))
    shown = [platform.shown(one) for one in order]
    assert shown == ["linux/amd64", "linux/amd64/v3", "linux/amd64/v2", "linux/386"]


def test_levels_of_amd64() -> None:
    two = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
    three = two | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
    assert [platform.amd64_level(flags) for flags in (set(), two, three)] == [1, 2, 3]
    assert platform.amd64_level(three - {"ssse3"}) == 1


@pytest.mark.parametrize(
    ("wanted", "names", "right"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["linux/386", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["windows/amd64", "linux/386"], "linux/386"),
        ("linux/amd64", ["", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["linux/arm64", ""], ""),
        ("linux/amd64", ["unknown/unknown", "linux/amd64/v1"], "linux/amd64/v1"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm64", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/arm", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], "linux/arm/v6"),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5"),
    ],
)
def test_the_best_of_a_list(wanted: str, names: list[str], right: str) -> None:
    assert chosen(wanted, *names) == right


def test_of_equals_the_first() -> None:
    found = platform.choose(index("linux/arm64", "linux/arm64/v8"), ARM64, "it")
    assert found.digest[7] == "0"


def test_what_there_is_instead_is_said() -> None:
    with pytest.raises(BadArchive, match="it has no image for linux/arm64") as caught:
        platform.choose(index("linux/amd64", "windows/amd64", "unknown/unknown"), ARM64, "it")
    assert caught.value.hint == "it has: linux/amd64, windows/amd64"
    with pytest.raises(BadArchive) as empty:
        platform.choose(oci.Index(), ARM64, "it")
    assert empty.value.hint == "it has no image at all"


def test_an_attestation_is_no_image_whatever_platform_it_names() -> None:
    attestation = entry("linux/arm64", "2", vnd_docker_reference_type=oci.ATTESTATION)
    found = platform.choose(oci.Index((attestation, entry("linux/arm64", "3"))), ARM64, "it")
    assert found.digest[7] == "3"


def test_the_images_own_word_counts_too() -> None:
    def file(architecture: str, os_: str = "linux", variant: str = "") -> oci.ImageFile:
        return oci.ImageFile(architecture, os_, oci.RootFsIds(()), variant)

    for good in (file("arm64"), file("arm64", variant="v8"), file("arm", variant="v7"), file("")):
        platform.check(good, ARM64)
    with pytest.raises(BadArchive, match=r"for linux/amd64, not for linux/arm64") as caught:
        platform.check(file("amd64"), ARM64)
    assert "--platform linux/amd64" in caught.value.hint
    with pytest.raises(BadArchive, match="windows/arm64"):
        platform.check(file("arm64", "windows"), ARM64)
