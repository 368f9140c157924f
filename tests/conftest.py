import gc
import os
import subprocess
from pathlib import Path

import pytest


def pytest_collection_finish() -> None:
    """Freeze the objects of thousands of tests, which each full collection would visit, delaying a frame by 0.3 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tapes() -> Path:
    """Return the folder of recorded frames: DEPTHWIRE_TAPES, or ../shared/data next to the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DEPTHWIRE_TAPES", beside))
    if not folder.is_dir():
        pytest.skip(f"no recorded frames: not a folder: {folder}; DEPTHWIRE_TAPES may name another")
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the self-signed cert.pem and key.pem of localhost."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    try:
        subprocess.run(
            [*command.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl command to make a certificate with")
    return folder
