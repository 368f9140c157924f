"""Part 3: from the wire to an updated book over loopback: one-way latency by rate, and the duration of a burst."""

import os
import shutil
import subprocess
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hdrh.histogram import HdrHistogram

import environments
from environments import Environment
from frames import DeepBook
from plan import Plan
from receivers import TOPIC

RATES = 100, 2_000, 20_000
BURST = 10_000
LONGEST_NS = 60_000_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
HERE = Path(__file__).parent
DEPTHWIRE, PICOWS, PYBIT = "depthwire", "picows alone", "pybit 1.3.6"
BUSY = ", busy poll"


class Receiver(NamedTuple):
    name: str
    module: str
    environment: Environment
    busy: bool = False


RECEIVERS = (
    Receiver(DEPTHWIRE, "depthwire_client", environments.OWN),
    Receiver(DEPTHWIRE + BUSY, "depthwire_client", environments.OWN, busy=True),
    Receiver(PICOWS, "picows_listener", environments.OWN),
    Receiver(PICOWS + BUSY, "picows_listener", environments.OWN, busy=True),
    Receiver("websockets alone", "websockets_client", environments.WEBSOCKETS),
    Receiver(PYBIT, "pybit_v2_client", environments.PYBIT_V2),
)


class Phase(NamedTuple):
    """One phase of a run; ``per_second`` is 0 for a burst."""

    per_second: int
    count: int


def phases(plan: Plan) -> list[Phase]:
    seconds = 0.3 if plan.quick else 1.0
    return [*(Phase(rate, int(rate * seconds)) for rate in RATES), Phase(0, BURST)]


class NoLatency(Exception):
    """A receiver could not be measured; the message says why."""


def measure(plan: Plan) -> dict[str, Any]:
    """Return, for each connection, rate and receiver, percentiles in µs, and ms and ns per frame of a burst."""
    steps = phases(plan)
    skipped: dict[str, str] = {}
    latencies: dict[tuple[str, int, str], Any] = defaultdict(lambda: HdrHistogram(1, LONGEST_NS, 3))
    medians: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    bursts: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_frames(folder / "frames", 1 + sum(step.count for step in steps))
        connections = {"plain": ""}
        try:
            connections["TLS"] = make_certificate(folder)
        except NoLatency as error:
            skipped["TLS"] = str(error)
        for number in range(plan.wire_rounds):
            for connection, certificate in connections.items():
                for receiver in RECEIVERS if number % 2 else RECEIVERS[::-1]:
                    if receiver.name in skipped:
                        continue
                    plan.say(f"wire to book, round {number + 1}, {connection}: {receiver.name}")
                    try:
                        found = one_way(plan, receiver, folder, steps, certificate)
                    except NoLatency as error:
                        skipped[receiver.name] = str(error)
                        continue
                    for step, latency_ns in zip(steps, found, strict=True):
                        if not step.per_second:
                            bursts[connection, receiver.name].append(float(latency_ns[-1]))
                            continue
                        key = connection, step.per_second, receiver.name
                        for each in latency_ns:
                            latencies[key].record_value(max(1, each))
                        medians[key].append(sorted(latency_ns)[len(latency_ns) // 2] / 1e3)
    return {
        "latency_us": [
            {"connection": connection, "frames_per_s": rate, "receiver": name, "frames": histogram.get_total_count()}
            | {
                label: round(histogram.get_value_at_percentile(percentile) / 1e3, 2)
                for label, percentile in PERCENTILES.items()
            }
            | {"round_p50": medians[connection, rate, name]}
            for (connection, rate, name), histogram in latencies.items()
        ],
        "burst": [
            {
                "connection": connection,
                "receiver": name,
                "frames": BURST,
                "ms": round(sorted(times)[len(times) // 2] / 1e6, 3),
            }
            for (connection, name), times in bursts.items()
        ],
        "skipped": skipped,
    }


def write_frames(path: Path, count: int) -> None:
    """Return a book's stream without a second snapshot, because a receiver must not get an older frame."""
    book = DeepBook(25, topic=TOPIC)
    with path.open("wb") as file:
        file.write(book.snapshot() + b"\n")
        file.writelines(book.delta() + b"\n" for _ in range(count - 1))


def make_certificate(folder: Path) -> str:
    if shutil.which("openssl") is None:
        raise NoLatency("no openssl command to make a certificate with")
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = ["openssl", "req", *options.split(), "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return str(folder)


def cpus() -> tuple[int, int]:
    """Return the sender's and the receiver's CPU, -1 if there are not two."""
    if not hasattr(os, "sched_getaffinity"):
        return -1, -1
    here = sorted(os.sched_getaffinity(0))
    return (here[0], here[-1]) if len(here) > 1 else (-1, -1)


def one_way(plan: Plan, receiver: Receiver, folder: Path, steps: list[Phase], certificate: str) -> list[list[int]]:
    """Return the ns from each frame's scheduled time to the receiver's stamp, by phase. Raises NoLatency."""
    environment = plan.environment(receiver.environment)
    if environment.why_not:
        raise NoLatency(environment.why_not)
    stamps_path = folder / "stamps"
    stamps_path.write_bytes(bytes(8 * (1 + sum(step.count for step in steps))))
    sender_cpu, receiver_cpu = map(str, cpus())
    schedule = ",".join(f"{step.per_second}:{step.count}" for step in steps)
    script, *arguments = "wire_sender.py", str(folder / "frames"), str(stamps_path), schedule, certificate, sender_cpu
    with started(environments.OWN, script, *arguments) as sender:
        assert sender.stdout is not None
        port = sender.stdout.readline().strip()
        url = f"{'wss' if certificate else 'ws'}://localhost:{port}/realtime_public"
        script, *arguments = "wire_receiver.py", receiver.module, url, str(stamps_path), certificate
        with started(environment, script, *arguments, "busy" if receiver.busy else "asleep", receiver_cpu) as listener:
            times = list(map(int, sender.stdout.readline().split()))
            if not times:
                raise NoLatency(last_word(listener) or last_word(sender) or "it stopped without output")
    stamps = array("q", stamps_path.read_bytes())
    found, first = [], 1
    for step in steps:
        span = range(first, first + step.count)
        found.append([stamps[index] - times[index] for index in span])
        first = span.stop
    return found


@contextmanager
def started(environment: Environment, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block."""
    command = [environment.python, str(HERE / script), *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def last_word(process: subprocess.Popen[str]) -> str:
    """Return the last line of a process's error output, after it has ended."""
    process.kill()
    assert process.stderr is not None
    return (process.stderr.read().strip().splitlines() or [""])[-1]
