"""Which of several images is for this machine.

    linux/amd64          this machine, or what --platform says: os/architecture[/variant]
    linux/arm64/v8       the variant is a level of the processor: lower ones run, too

The order of preference is containerd's (its package platforms, ``Only``): the wanted variant, then
lower ones, then the 32-bit architecture the processor also runs. One thing is added: a list that
has amd64 in variants only gives the highest that this processor can run.
"""

from __future__ import annotations

import functools
import platform as machine
from collections.abc import Sequence

from podrun.errors import UsageError
from podrun.image import oci
from podrun.image.oci import Platform
from podrun.image.types import BadArchive

#: uname's and others' names → architecture and variant, as Go and OCI call them
_NAMES = {
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""), "i386": ("386", ""), "i686": ("386", ""),
    "aarch64": ("arm64", ""), "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
    "armv8l": ("arm", "v8"), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"), "ppc64el": ("ppc64le", ""),
}  # fmt: skip
_ARCHITECTURES = {
    "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
}  # fmt: skip
_DEFAULT_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
_LOWEST_ARM = 5
#: What each level of x86-64 adds (its psABI), by the names of /proc/cpuinfo.
_AMD64_LEVELS = (
    (2, {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    (3, {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}),
    (4, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)


def parse(text: str) -> Platform:
    """``os/architecture/variant``, ``os/architecture`` or an architecture alone. UsageError."""
    parts = text.strip().lower().split("/")
    if len(parts) == 1:
        parts = ["linux", *parts]
    wanted = normal(Platform(os=parts[0], architecture=parts[1], variant="/".join(parts[2:])))
    if wanted.os != "linux" or wanted.architecture not in _ARCHITECTURES or "/" in wanted.variant:
        raise UsageError(
            f"--platform {text}: this is no platform of Linux",
            hint="linux/amd64, linux/arm64, linux/arm/v7 …",
        )
    return wanted


@functools.cache
def this() -> Platform:
    return normal(Platform(os="linux", architecture=machine.machine().lower()))


def normal(given: Platform) -> Platform:
    """One spelling for each platform: variants as "v7", the one that goes without saying as ""."""
    architecture, variant = given.architecture.lower(), given.variant.lower()
    if architecture in _NAMES:
        architecture, implied = _NAMES[architecture]
        variant = variant or implied
    if variant and not variant.startswith("v"):
        variant = f"v{variant}"
    if variant == _DEFAULT_VARIANTS.get(architecture):
        variant = ""
    return Platform(os=given.os.lower(), architecture=architecture, variant=variant)


def preferred(wanted: Platform) -> list[Platform]:
    """What runs where ``wanted`` does, the best first."""
    of = functools.partial(Platform, os=wanted.os)
    found = [wanted]
    if wanted.architecture == "amd64":
        levels = range(_level(wanted) - 1, 0, -1)
        found += [normal(of(architecture="amd64", variant=f"v{n}")) for n in levels]
        if wanted == this():
            higher = range(amd64_level(_cpu_flags()), 1, -1)
            found += [of(architecture="amd64", variant=f"v{n}") for n in higher]
        found.append(of(architecture="386"))
    elif wanted.architecture in ("arm", "arm64"):
        found += _lower_arms(wanted)
    return list(dict.fromkeys(found))


def _lower_arms(wanted: Platform) -> list[Platform]:
    level = _level(wanted)
    found = []
    if wanted.architecture == "arm64":
        found = [Platform("arm64", wanted.os, "")] if level > 8 else []
        level = 8
        found.append(Platform("arm", wanted.os, "v8"))
    lower = range(level - 1, _LOWEST_ARM - 1, -1)
    return found + [normal(Platform("arm", wanted.os, f"v{n}")) for n in lower]


def _level(wanted: Platform) -> int:
    """7 of "v7", 9 of "v9.2"; what has no variant has the default one."""
    text = wanted.variant or _DEFAULT_VARIANTS[wanted.architecture]
    whole = text.removeprefix("v").partition(".")[0]
    return int(whole) if whole.isdecimal() else 0


def amd64_level(flags: set[str]) -> int:
    """The highest level of x86-64 (1 to 4) that a processor with these flags has."""
    level = 1
    for number, needed in _AMD64_LEVELS:
        if not needed <= flags:
            break
        level = number
    return level


def _cpu_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return set()
    return set(line.partition(":")[2].split())


# Choosing ────────────────────────────────────────────────────────────────────────────────────────


def suitable(entries: Sequence[oci.Descriptor], wanted: Platform) -> list[oci.Descriptor]:
    """Those that suit ``wanted`` best, all alike; what names no platform comes last."""
    order = preferred(wanted)
    ranks = [_entry_rank(entry, order) for entry in entries]
    best = min((rank for rank in ranks if rank is not None), default=None)
    return [e for e, rank in zip(entries, ranks, strict=True) if rank is not None and rank == best]


def choose(index: oci.Index, wanted: Platform, what: str) -> oci.Descriptor:
    """The manifest of a list that suits ``wanted`` best; of equals the first.

    Attestations (platform unknown/unknown) are no images. BadArchive names ``what`` has nothing,
    and what it has.
    """
    if found := suitable(index.manifests, wanted):
        return found[0]
    offered = sorted({shown(e.platform) for e in index.manifests if e.platform and _is_image(e)})
    raise BadArchive(
        f"{what} has no image for {shown(wanted)}",
        hint=f"it has: {', '.join(offered)}" if offered else "it has no image at all",
    )


def shown(platform: Platform) -> str:
    return "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)


def _entry_rank(entry: oci.Descriptor, order: Sequence[Platform]) -> int | None:
    """The place in ``order``, None when it has none."""
    if not _is_image(entry):
        return None
    return len(order) if entry.platform is None else _rank(entry.platform, order)


def _rank(given: Platform, order: Sequence[Platform]) -> int | None:
    given = normal(given)
    for rank, one in enumerate(order):
        if given.os not in ("", one.os) or given.architecture not in ("", one.architecture):
            continue
        if not given.architecture or given.variant == one.variant:
            return rank
    return None


def _is_image(entry: oci.Descriptor) -> bool:
    platform = entry.platform
    if (entry.annotations or {}).get(oci.REFERENCE_TYPE) == oci.ATTESTATION:
        return False
    return platform is None or "unknown" not in (platform.os, platform.architecture)


def of_file(file: oci.ImageFile) -> Platform:
    return normal(Platform(file.architecture, file.os, file.variant))


def runs_on(file: oci.ImageFile, wanted: Platform) -> bool:
    """Whether an image says of itself that it is for ``wanted``; "" says nothing."""
    return _rank(of_file(file), preferred(wanted)) is not None


def check(file: oci.ImageFile, wanted: Platform) -> None:
    """BadArchive when the image's own configuration says that it is for another machine."""
    if runs_on(file, wanted):
        return
    own = shown(of_file(file))
    other = file.os.lower() == "linux"
    raise BadArchive(
        f"the image is for {own}, not for {shown(wanted)}",
        hint=f"--platform {own} takes it in all the same" if other else "only Linux runs here",
    )
