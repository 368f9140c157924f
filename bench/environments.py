"""Environments of the contenders: one for each set of compatible packages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "bench"
TIMEOUT_S = 900
WORDS = 200


class Environment(NamedTuple):
    """An environment: ``python`` is its interpreter; ``why_not`` says why it could not be made, "" if it was."""

    name: str
    packages: tuple[str, ...]
    why_not: str = ""

    @property
    def folder(self) -> Path:
        return FOLDER / self.name if self.packages else Path(sys.prefix)

    @property
    def python(self) -> str:
        return sys.executable if not self.packages else str(self.folder / "bin" / "python")


OWN = Environment("depthwire", ())
CONTAINERS = Environment("containers", ("order-book", "sortedcontainers", "msgspec"))
PYBIT_V2 = Environment("pybit-v2", ("pybit==1.3.6", "websocket-client>=1.6"))
PYBIT_V5 = Environment("pybit-v5", ("pybit==5.17.*",))
CCXT = Environment("ccxt", ("ccxt",))
CRYPTOFEED = Environment("cryptofeed", ("cryptofeed",))
NAUTILUS = Environment("nautilus", ("nautilus_trader",))
WEBSOCKETS = Environment("websockets", ("websockets", "uvloop"))
PEERS = CONTAINERS, PYBIT_V2, PYBIT_V5, CCXT, CRYPTOFEED, NAUTILUS, WEBSOCKETS


def made(environment: Environment) -> Environment:
    """Return the environment with its packages installed, or with the reason why not. It is made only once."""
    if not environment.packages:
        return environment
    stamp = environment.folder / "installed"
    wanted = "\n".join((sys.version, *environment.packages))
    if stamp.exists() and stamp.read_text() == wanted:
        return environment
    shutil.rmtree(environment.folder, ignore_errors=True)
    print(f"installing {', '.join(environment.packages)}", file=sys.stderr, flush=True)
    pip = [environment.python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for command in ([sys.executable, "-m", "venv", str(environment.folder)], [*pip, *environment.packages]):
        try:
            finished = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return environment._replace(why_not=f"not installed: {type(error).__name__}: {error}"[:WORDS])
        if finished.returncode:
            lines = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")] or ["ERROR: no output"]
            return environment._replace(why_not=f"not installed: {lines[-1].removeprefix('ERROR: ')}"[:WORDS])
    stamp.write_text(wanted)
    return environment


def versions(environment: Environment) -> list[str]:
    """Return ``NAME VERSION`` of each requested package."""
    names = [re.split("[=>]", package)[0] for package in environment.packages]
    code = "import sys\nfrom importlib.metadata import version\nfor name in sys.argv[1:]: print(name, version(name))"
    finished = subprocess.run([environment.python, "-c", code, *names], capture_output=True, text=True, check=True)
    return finished.stdout.splitlines()
