"""The tar reader against our writer, Python's tarfile, and damage."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podrun.image.pax import nanoseconds
from podrun.image.tarread import REGULAR, Entry, TarReader
from podrun.image.tarwrite import END, header
from podrun.image.types import BadArchive, Limits


def read(data: bytes, limits: Limits | None = None) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(data), limits or Limits())
    return [(e, b"".join(bytes(piece) for _, piece in reader.data(e))) for e in reader]


def entry_of(name: bytes, content: bytes = b"", **fields: object) -> bytes:
    entry = Entry(name, REGULAR, b"")
    entry.size = len(content)
    for key, value in fields.items():
        setattr(entry, key, value)
    return header(entry) + content + bytes(-len(content) % 512)


NAMES = st.binary(min_size=1, max_size=300).filter(
    lambda n: b"\0" not in n and not n.endswith(b"/")
)
KEYS = st.binary(min_size=1, max_size=20).filter(lambda k: b"=" not in k and b"\0" not in k)


@given(
    name=NAMES,
    content=st.binary(max_size=2000),
    owner=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**62), 2**62),
    xattrs=st.dictionaries(KEYS.map(lambda k: b"user." + k), st.binary(max_size=100), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_what_the_writer_writes_the_reader_reads(
    name: bytes, content: bytes, owner: int, mtime: int, xattrs: dict[bytes, bytes]
) -> None:
    data = entry_of(name, content, uid=owner, gid=owner, mtime_ns=mtime, xattrs=xattrs, mode=0o4755)
    [(entry, got)] = read(data + END)
    assert (entry.name, got, entry.uid, entry.gid) == (name, content, owner, owner)
    assert (entry.mtime_ns, entry.xattrs, entry.mode) == (mtime, xattrs, 0o4755)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_every_format_that_python_writes(format: int) -> None:
    out = io.BytesIO()
    name = "d/" * 40 + "n" * 99 if format != tarfile.USTAR_FORMAT else "p" * 90 + "/" + "n" * 90
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.uid = 700, 1_700_000_000, 1000
        tar.addfile(info, io.BytesIO(b"x" * 700))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "t" * 95
        tar.addfile(link)
    [(file, content), (symlink, nothing)] = read(out.getvalue())
    assert (file.name.decode(), len(content), file.uid) == (name, 700, 1000)
    assert (symlink.linkname.decode(), nothing) == ("t" * 95, b"")


def test_base_256_numbers() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("x")
        info.uid, info.mtime = 2**31 + 5, -86400
        tar.addfile(info)
    [(entry, _)] = read(out.getvalue())
    assert (entry.uid, entry.mtime_ns) == (2**31 + 5, -86400 * 10**9)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1.5", 1_500_000_000), (b"-1.25", -1_250_000_000), (b"-0.5", -500_000_000),
     (b"7", 7 * 10**9), (b"1.1234567899", 1_123_456_789), (b".5", 500_000_000)],
)  # fmt: skip
def test_pax_times_are_exact(text: bytes, value: int) -> None:
    assert nanoseconds(text) == value


def test_a_truncated_archive_is_an_error_wherever_it_is_cut() -> None:
    whole = entry_of(b"one", b"1" * 1000) + entry_of(b"t" * 200, b"2" * 100)
    for cut in range(1, len(whole), 37):
        if cut % 512:
            with pytest.raises(BadArchive, match=r"truncated|not a tar"):
                read(whole[:cut])
    assert len(read(whole)) == 2  # without the end mark: the reader tells by ``ended``


def test_damage_is_reported_never_crashes() -> None:
    chance = random.Random(1)
    whole = bytearray(entry_of(b"n" * 150, b"content", mtime_ns=5) + END)
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(3):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            read(bytes(broken))
        except BadArchive:
            continue


@pytest.mark.parametrize(
    "record",
    [b"x", b"9999 a=b\n", b"5 a=b", b"0 a=b\n", b"-6 a=b\n", b"8 abcd\n", b"99999999999 a=b\n"],
)
def test_damaged_pax_records(record: bytes) -> None:
    entry = Entry(b"pax", b"x", b"")
    entry.size = len(record)
    data = header(entry) + record + bytes(-len(record) % 512) + entry_of(b"f") + END
    with pytest.raises(BadArchive, match="pax"):
        read(data)


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ({b"GNU.sparse.map": b"0,1,0,1", b"GNU.sparse.size": b"5"}, "not in order"),
        ({b"GNU.sparse.map": b"0,9", b"GNU.sparse.size": b"5"}, "leaves the file"),
        ({b"GNU.sparse.map": b"0,x", b"GNU.sparse.size": b"5"}, "damaged sparse map"),
        ({b"GNU.sparse.map": b"0,3", b"GNU.sparse.size": b"5"}, "does not match"),
        ({b"size": b"-5"}, "negative"),
        ({b"uid": b"many"}, "damaged pax"),
    ],
)
def test_hostile_pax_values(records: dict[bytes, bytes], what: str) -> None:
    from podrun.image import tarwrite

    data = tarwrite._pax(records) + entry_of(b"f", b"12") + END
    with pytest.raises(BadArchive, match=what):
        read(data)


def test_every_limit_has_its_error_and_is_named_in_it() -> None:
    data = b"".join(entry_of(b"f%d" % n, b"12345") for n in range(5)) + END
    with pytest.raises(BadArchive, match=r"limit: entries"):
        read(data, Limits(entries=4))
    with pytest.raises(BadArchive, match=r"limit: bytes"):
        read(data, Limits(bytes=24))
    long = entry_of(b"f", xattrs={b"user.x": b"v" * 5000}) + END
    with pytest.raises(BadArchive, match=r"limit: header_bytes"):
        read(long, Limits(header_bytes=4000))
    assert len(read(data, Limits(entries=5, bytes=25))) == 5
