"""How much a run measures, and with whom."""

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import environments
from environments import Environment

WORKER = Path(__file__).with_name("worker.py")


class Plan(NamedTuple):
    """``quick``: a look at whether everything works. Without ``peers`` nothing is installed."""

    quick: bool
    peers: bool

    @property
    def frame_rounds(self) -> int:
        return 3 if self.quick else 15

    @property
    def turn_ns(self) -> float:
        """How long a contender measures in one turn."""
        return 2e6 if self.quick else 10e6

    @property
    def wire_rounds(self) -> int:
        return 1 if self.quick else 3

    def environment(self, environment: Environment) -> Environment:
        if environment.packages and not self.peers:
            return environment._replace(why_not="this run is without peers")
        return made(environment)

    def versions(self) -> list[str]:
        """What the contenders' environments hold."""
        usable = (self.environment(each) for each in environments.PEERS)
        return [line for each in usable if not each.why_not for line in environments.versions(each)]

    def worker(self, environment: Environment, *arguments: str) -> list[str]:
        """The command of a worker in an environment."""
        return [environment.python, str(WORKER), *arguments]

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


@cache
def made(environment: Environment) -> Environment:
    return environments.made(environment)
