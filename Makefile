# Needs Python 3.11 or newer with its venv module and C headers, a C compiler and make. Everything else goes into .venv.

SOURCES := pyproject.toml setup.py $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h')

.PHONY: build demo test check fuzz bench bench-quick bench-core instructions detection soak mutants differential reconnects \
    kills clean

build: .venv/installed-all

demo: .venv/installed-all
	.venv/bin/depthwire demo

# In two processes, because tests on real sockets wait for much of their time.
test: .venv/installed-test
	.venv/bin/pytest -n 2 --dist worksteal

check: .venv/installed-check
	ci/lint
	ci/instructions
	ci/interop
	ci/wheels
	ci/sanitized
	ci/pins

# Fuzz each target for a minute, guided by coverage. Needs clang; see tests/fuzz/README.md.
fuzz: .venv/installed-test .venv/fuzz/installed
	.venv/bin/python -m tests.fuzz.campaign

# Run all benchmarks, with those of other libraries; write docs/benchmarks.
bench: .venv/installed-bench
	.venv/bin/python bench/run.py

# Check that the benchmarks work, without other libraries.
bench-quick: .venv/installed-bench
	.venv/bin/python bench/run.py --quick --no-peers --out build/bench/quick

# Measure the steps of the core one by one, and count instructions if valgrind is installed.
bench-core: .venv/installed-bench
	.venv/bin/pytest bench -o python_files='bench_*.py' -o python_functions='bench_*' --benchmark-columns=median,iqr,rounds
	! command -v valgrind >/dev/null || .venv/bin/python bench/instructions.py

# Accept the current number of instructions per frame. Commit the file with the change that needs it.
instructions: .venv/installed-bench
	.venv/bin/python bench/instructions.py --write

# Lose, delay and damage each frame of the recordings; write what the engine notices to docs/reliability.
detection: .venv/installed-test
	.venv/bin/python -m tests.reliability.detection

# Compare every book and event of twenty million frames with the truth while the venue injects faults; write the result
# to docs/reliability.
soak: .venv/installed-all
	.venv/bin/python -m tests.reliability.soak

# Break one line of the engine at a time and check that a short soak notices.
mutants: .venv/installed-test
	.venv/bin/python -m tests.reliability.mutants

# Decode a million wrong frames in one pass and in the form that takes everything: the same events, or none.
differential: .venv/installed-test
	DEPTHWIRE_MUTATIONS=1000000 .venv/bin/pytest tests/bybit/test_records.py

# Drop 50 connections at once and watch them for eleven minutes; write docs/reconnects.
reconnects: .venv/installed-bench
	.venv/bin/python bench/reconnects.py

# Kill venues and recorders a hundred times, and stop one venue for 30 s.
kills: .venv/installed-test
	DEPTHWIRE_KILLS=100 .venv/bin/pytest tests/client/test_kill.py

clean:
	rm -rf .venv build dist src/*.egg-info .coverage .benchmarks
	find src \( -name '*.so' -o -name '*.pyd' \) -delete
	find . -name '.*_cache' -prune -exec rm -r {} + -o -name __pycache__ -prune -exec rm -r {} +

.venv/bin/python:
	python=$$(ci/python) && "$$python" -m venv --clear .venv

# Current versions of other clients, for ci/interop.
.venv/interop-v5/installed: pyproject.toml | .venv/bin/python
	.venv/bin/python -m venv --clear .venv/interop-v5
	.venv/bin/python ci/requirements.py interop-v5 > .venv/interop-v5/requirements.txt
	.venv/interop-v5/bin/pip install --quiet --requirement .venv/interop-v5/requirements.txt
	touch $@

# depthwire compiled for the fuzzer by the newest clang.
.venv/fuzz/installed: $(SOURCES) | .venv/bin/python
	.venv/bin/python -m venv --clear .venv/fuzz
	.venv/bin/python ci/requirements.py build > .venv/fuzz/build-requirements.txt
	.venv/fuzz/bin/pip install --quiet --requirement .venv/fuzz/build-requirements.txt
	CC=$${CLANG:-$$(ls /usr/bin/clang /usr/bin/clang-[0-9]* 2>/dev/null | sort -V | tail -1)}; \
	    test -n "$$CC" || { echo "clang not found (Debian, Ubuntu: apt install clang); set CLANG=/path/to/clang" >&2; exit 1; }; \
	    CC=$$CC DEPTHWIRE_FUZZ=1 .venv/fuzz/bin/pip install --quiet --no-build-isolation '.[fuzz]'
	touch $@

# An editable install with the extra at the end of the name. Without build isolation a changed .pyx costs its own
# compilation and no download.
.venv/installed-%: $(SOURCES) | .venv/bin/python
	.venv/bin/python ci/requirements.py build > .venv/build-requirements.txt
	.venv/bin/pip install --quiet --requirement .venv/build-requirements.txt
	.venv/bin/pip install --quiet --no-build-isolation --editable '.[$*]'
	touch $@
