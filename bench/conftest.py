"""Each benchmark replays many frames per round; the table at the end shows the time of one."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import compiled
import frames

ROUNDS = 60
PER_FRAME: pytest.StashKey[list[tuple[str, float]]] = pytest.StashKey()
Measure = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PER_FRAME] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "stream" not in metafunc.fixturenames:
        return
    recorded = frames.recorded()
    params = [
        pytest.param(stream, id=stream.name) for stream in (*recorded, *frames.synthetic(), frames.generated(1000))
    ]
    if not recorded:
        reason = f"no book recordings in {frames.tapes()}; DEPTHWIRE_TAPES may name another folder"
        params.append(pytest.param(None, id="recorded", marks=pytest.mark.skip(reason=reason)))
    metafunc.parametrize("stream", params)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("median ns per frame (or read)")
    for name, nanoseconds in config.stash[PER_FRAME]:
        terminalreporter.write_line(f"{nanoseconds:10.1f}  {name}")


@pytest.fixture(scope="session")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The compiled loops, built for this run."""
    pytest.importorskip("Cython", reason="the compiled loops need Cython")
    return compiled.load(compiled.build(tmp_path_factory.mktemp("loops")))


@pytest.fixture(autouse=True)
def frozen_heap() -> Iterator[None]:
    """Keep the collector from visiting all frames of all streams in the middle of a round."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """``measure(run, count, before)``: time ``run()``, which handles ``count`` frames; ``before()`` is not timed."""

    def measured(run: Callable[[], object], count: int, before: Callable[[], object] = lambda: None) -> None:
        def setup() -> None:
            before()

        benchmark.pedantic(run, setup=setup, rounds=ROUNDS, warmup_rounds=5)
        per_frame_ns = benchmark.stats.stats.median / count * 1e9
        benchmark.extra_info.update(frames=count, median_ns_per_frame=per_frame_ns)
        name = request.node.nodeid.removeprefix(f"{Path(__file__).parent.name}/")
        request.config.stash[PER_FRAME].append((name, per_frame_ns))

    return measured
