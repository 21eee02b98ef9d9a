"""The kernel's list of mounts, where somebody mounts at a name that is meant to disturb it."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.container.place import _kernel_devices
from podrun.linux import mount
from podrun.linux.mountinfo import mounts, unmount_below


@pytest.mark.parametrize("name", ["a\fb", "a\x85b", "a\u2028b", "a\rb", "a - b", "a\n\\b"])
def test_a_name_with_what_unicode_takes_for_the_end_of_a_line(tmp_path: Path, name: str) -> None:
    point = tmp_path / name
    point.mkdir()
    fd = mount.new_filesystem("tmpfs", {})
    mount.move_mount(fd, "", mount.AT_FDCWD, str(point))
    try:
        assert str(point) in [each.point for each in mounts()]
        assert _kernel_devices("self")
    finally:
        unmount_below(tmp_path)
    assert not point.is_mount()
