"""Contenders that take turns, each in a separate process, so that only one measures at a time."""

import subprocess
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple, Self


class Contender(NamedTuple):
    """A contender: its ``name`` in the tables, and the ``command`` of a process with ``worker.py``'s protocol."""

    name: str
    command: Sequence[str]


class Worker:
    """A contender's process."""

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        self.answers: list[str] = []
        self._process = subprocess.Popen(
            contender.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ready(self, cases: int) -> list[str]:
        """Return the answer of each case at the start; a contender that stopped can do none."""
        assert self._process.stdout is not None
        for _ in range(cases):
            line = self._process.stdout.readline().strip()
            if not line:
                assert self._process.stderr is not None
                last = (self._process.stderr.read().strip() or "it stopped without output").splitlines()[-1]
                self.answers += [f"cannot {last}"] * (cases - len(self.answers))
                break
            self.answers.append(line)
        return self.answers

    def turn(self, case: int, budget_ns: float) -> float:
        """Measure one case; return ns per item."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{case} {budget_ns:.0f}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def interleaved(workers: Iterable[Worker], case: int, rounds: int, budget_ns: float) -> dict[str, list[float]]:
    """Return ns per item of one case by contender, one number per round; contenders take turns within each round."""
    measured: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for number in range(rounds):
        order = list(workers)
        for worker in order if number % 2 else reversed(order):
            measured[worker.name].append(worker.turn(case, budget_ns))
    return measured


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of the ratios of each round, because a temporary slowdown of the machine affects both."""
    return median(one / other for one, other in zip(over, under, strict=True))
