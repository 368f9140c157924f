"""Objects that hold C memory or are updated by a feed cannot be copied or pickled: a TypeError, never a crash."""

import copy
import importlib
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from depthwire.feed.live_book import LiveBook

SOURCE = Path(__file__).parents[2] / "src"
COPYING: list[Callable[[Any], object]] = [
    copy.copy,
    copy.deepcopy,
    *(partial(pickle.dumps, protocol=protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
]


def compiled_classes() -> list[type]:
    names = (".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in sorted(SOURCE.rglob("*.pyx")))
    modules = [importlib.import_module(name) for name in names]
    found = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return [kind for kind in found if "__pyx_vtable__" in vars(kind) and kind.__module__.startswith("depthwire.")]


@pytest.mark.parametrize("kind", compiled_classes())
@pytest.mark.parametrize("copied", COPYING)
def test_a_compiled_object_cannot_be_copied(kind: Any, copied: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"cannot (be copied or )?pickle"):
        copied(kind.__new__(kind))


@pytest.mark.parametrize("copied", COPYING)
def test_a_book_says_what_to_copy(copied: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"a LiveBook cannot be copied or pickled; use book.snapshot\(\)"):
        copied(LiveBook("orderBookL2_25.BTCUSD", "BTCUSD", 25))
