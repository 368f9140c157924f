"""The receiver of part 3: ``python wire_receiver.py MODULE URL STAMPS CERTIFICATE BUSY CPU``.

MODULE, one of ``receivers``, calls ``stamp()`` for the snapshot and each delta, when its user could read the book;
the time goes to STAMPS, which the sender shares. Runs until it is ended.
"""

import importlib
import mmap
import os
import sys
from collections.abc import Callable
from time import monotonic_ns

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def stamper(path: str) -> Callable[..., None]:
    with open(path, "r+b") as file:
        stamps = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
    number = 0

    def stamp(*_: object) -> None:
        nonlocal number
        stamps[number] = monotonic_ns()
        number += 1

    return stamp


def main(module: str, url: str, stamps: str, certificate: str, busy: str, cpu: str) -> None:
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})
    receiver = importlib.import_module(f"receivers.{module}")
    receiver.run(url, stamper(stamps), certificate and f"{certificate}/cert.pem", busy == "busy")


if __name__ == "__main__":
    main(*sys.argv[1:])
