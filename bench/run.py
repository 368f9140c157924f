"""Run the benchmarks: ``python bench/run.py [--quick] [--no-peers] [--parts frames,operations,reads,scale,wire]``.

Writes ``results.json``, ``README.md`` and charts into ``docs/benchmarks`` or the folder of ``--out``.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import frame_to_book
import machine
import one_operation
import reads
import scale
import wire_to_book
from environments import ROOT
from page import page
from plan import Plan

PARTS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "frames": frame_to_book.measure,
    "operations": one_operation.measure,
    "reads": reads.measure,
    "scale": scale.measure,
    "wire": wire_to_book.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="check that everything works; the numbers are not reliable"
    )
    parser.add_argument("--no-peers", action="store_true", help="install nothing, measure depthwire alone")
    parser.add_argument("--parts", default=",".join(PARTS), help="the parts to run, default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks", help="folder of the results")
    arguments = parser.parse_args()
    plan = Plan(arguments.quick, not arguments.no_peers)
    results: dict[str, Any] = {"machine": machine.facts(), "peers": plan.versions(), "quick": plan.quick, "seconds": {}}
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in arguments.parts.split(","):
        start = time.monotonic()
        try:
            results[name] = PARTS[name](plan)
        except Exception:
            traceback.print_exc()
            failed = True
        results["seconds"][name] = round(time.monotonic() - start, 1)
        (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "README.md").write_text(page(results, charts.draw(results, arguments.out)))
    sys.exit(failed)


if __name__ == "__main__":
    main()
