"""Clients at a venue that injects faults, for millions of frames: ``python -m tests.reliability.soak [--frames N] [--seed N]``.

Each process has a separate venue and its clients; everything uses real sockets. Shows progress while it runs, and
writes ``soak.md`` and ``soak.json`` into ``docs/reliability`` or the folder of ``--out``. The exit status is 1 if a bound
is broken.
"""

import argparse
import json
import multiprocessing
import queue
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.reliability.figures import bounds_of, combined
from tests.reliability.shard import Plan, run
from tests.reliability.soak_page import page

ROOT = Path(__file__).resolve().parents[2]
TELL_EVERY_S = 10.0
GRACE_S = 900.0
"""Extra time to open the market, to connect, to warm up, and to recover at the end."""


def work(number: int, plan: Plan, told: Any) -> None:
    """Run one process; put (number, kind, content) into the queue as it progresses, and at its end."""
    last_s, parent = 0.0, multiprocessing.parent_process()

    def tell(progress: dict[str, Any]) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= TELL_EVERY_S:
            last_s = time.monotonic()
            if parent is not None and not parent.is_alive():
                raise SystemExit("the parent process has ended")
            told.put((number, "progress", progress))

    try:
        told.put((number, "figures", run(plan, tell)))
    except BaseException:
        told.put((number, "failure", traceback.format_exc()))


def run_all(plans: list[Plan]) -> list[dict[str, Any]]:
    """Run all processes to their ends; those that fail or never end have a figure ``failure``."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    processes = [context.Process(target=work, args=(number, plan, told)) for number, plan in enumerate(plans)]
    for process in processes:
        process.start()
    deadline_s = time.monotonic() + 60 * plans[0].minutes + GRACE_S
    ends: dict[int, dict[str, Any]] = {}
    shown: set[str] = set()
    try:
        while len(ends) < len(plans):
            try:
                number, kind, content = told.get(timeout=TELL_EVERY_S)
            except queue.Empty:
                dead = [number for number, each in enumerate(processes) if not each.is_alive() and number not in ends]
                is_late = time.monotonic() > deadline_s
                for number in range(len(plans)) if is_late else dead:
                    ends.setdefault(number, {"failure": "did not end in time" if is_late else "its process died"})
                continue
            if kind == "progress":
                print(progress_line(number, plans[number], content), flush=True)
                for text in content["defects"]:
                    if text not in shown:
                        print(text, flush=True)
                shown.update(content["defects"])
            else:
                ends[number] = content if kind == "figures" else {"failure": content}
    finally:
        for process in processes:
            process.join(timeout=TELL_EVERY_S)
            process.kill()
    return [ends[number] for number in range(len(plans))]


def progress_line(number: int, plan: Plan, progress: dict[str, Any]) -> str:
    """Return one line about the progress of a process."""
    frames, seconds = progress["frames"], progress["seconds"]
    return (
        f"{number}: {frames:>12,} frames ({frames / plan.frames:5.1%}), {frames / max(seconds, 1e-3):7,.0f} a second, "
        f"checkpoint {progress['checkpoints']:,}, {progress['memory'] >> 20} MiB, defects: {len(progress['defects'])}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--frames", type=int, default=20_000_000, help="frames that all clients receive, default %(default)s"
    )
    parser.add_argument(
        "--warm-up", type=int, default=4_000_000, help="frames before the counted ones, default %(default)s"
    )
    parser.add_argument(
        "--checkpoints", type=int, default=10_000, help="checkpoints of each process, default %(default)s"
    )
    parser.add_argument(
        "--each-fault", type=int, default=1_000, help="minimum number of faults of each kind, default %(default)s"
    )
    parser.add_argument("--minutes", type=float, default=40.0, help="limit of the run time, default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument("--processes", type=int, default=2, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reliability", help="folder of the results")
    arguments = parser.parse_args()
    count = arguments.processes
    plans = [
        Plan(
            frames=-(-arguments.frames // count),
            checkpoints=arguments.checkpoints,
            seed=arguments.seed + number,
            minutes=arguments.minutes,
            each_fault=-(-arguments.each_fault // count),
            warm_up=arguments.warm_up // count,
        )
        for number in range(count)
    ]
    print(f"{arguments.warm_up:,} frames first, to warm up", flush=True)
    shards = run_all(plans)
    failures = [shard["failure"] for shard in shards if "failure" in shard]
    if failures:
        sys.exit("\n".join(failures))
    figures = combined(shards)
    bounds = bounds_of(
        figures, frames=arguments.frames, checkpoints=arguments.checkpoints, each_fault=arguments.each_fault
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"bounds": [bound._asdict() for bound in bounds], "figures": figures}
    (arguments.out / "soak.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.out / "soak.md").write_text(page(figures, bounds))
    for bound in bounds:
        print(f"{'holds ' if bound.holds else 'BROKEN'} {bound.name}: {bound.value}, bound: {bound.bound}")
    print(*figures["defects"], sep="\n")
    sys.exit(not all(bound.holds for bound in bounds))


if __name__ == "__main__":
    main()
