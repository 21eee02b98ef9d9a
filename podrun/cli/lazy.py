"""Modules that click imports and a short command never uses: loaded when they are first touched.

``inspect`` alone, with the parser, the disassembler and the tokenizer it brings, is 5 of the 25 ms
that importing click takes. The standard ``importlib.util.LazyLoader`` does not help: up to Python
3.11 already the second ``import`` statement loads its module, and importlib.util costs what is won.
"""

from __future__ import annotations

import sys
from types import ModuleType


class Deferred(ModuleType):
    """Stands for a module until something of it is asked for, and has all of it from then on."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = __import__(self.__name__)
        self.__dict__.update(real.__dict__)
        self.__class__ = ModuleType  # type: ignore[assignment]
        found: object = getattr(real, name)
        return found


def defer(*names: str) -> None:
    """Let the next ``import`` of each top-level module give one that is ``Deferred``."""
    for name in names:
        sys.modules.setdefault(name, Deferred(name))
