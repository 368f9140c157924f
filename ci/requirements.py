"""Print requirements from pyproject.toml, one per line: of a ``build``, of a ``run`` with its extras, or of an extra.

With ``oldest`` as a second argument each is pinned to the lowest version in its range.
"""

import re
import sys
import tomllib
from pathlib import Path

wanted, *oldest = sys.argv[1:]
stated = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
extras = stated["project"]["optional-dependencies"]
lines = {
    "build": stated["build-system"]["requires"],
    "run": stated["project"]["dependencies"] + extras["cli"] + extras["uvloop"] + extras["zstd"],
}.get(wanted) or extras[wanted]
if oldest:
    lines = [re.sub(r">=([\w.]+)[^;]*", r"==\1", line) for line in lines]
print(*lines, sep="\n")
