"""docs/configuration.md knows every key, and its defaults are true where they are plain."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from podrun.node.config import Config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| ", re.MULTILINE)


def test_every_key_is_told_and_no_other() -> None:
    told = [key for key, _ in ROW.findall(PAGE.read_text())]
    assert sorted(told) == sorted(field.encode_name for field in msgspec.structs.fields(Config))


def test_plain_defaults_are_true() -> None:
    defaults = msgspec.to_builtins(Config())
    for key, text in ROW.findall(PAGE.read_text()):
        default = defaults[key]
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(text.strip("`")) == default, key
