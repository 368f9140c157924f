import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tapes() -> Path:
    """The folder of recorded frames: DEPTHWIRE_TAPES, else ../shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DEPTHWIRE_TAPES", beside))
    if not folder.is_dir():
        pytest.skip(f"no recorded frames: {folder} is no folder; DEPTHWIRE_TAPES may name another")
    return folder
