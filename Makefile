# Needs Python 3.11 or newer with its venv module and C headers, a C compiler and make. All else goes into .venv.

SOURCES := pyproject.toml setup.py $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h')

.PHONY: build demo test check fuzz bench bench-quick bench-core detection soak mutants reconnects kills clean

build: .venv/installed-all

demo: .venv/installed-all
	.venv/bin/depthwire demo

# Side by side: a suite on real sockets waits for much of its time.
test: .venv/installed-test
	.venv/bin/pytest -n 2

check: .venv/installed-check
	ci/lint
	ci/interop
	ci/wheels
	ci/checked
	ci/sanitized
	ci/pins

# By coverage, each target for a minute; needs clang. tests/fuzz/README.md tells more.
fuzz: .venv/installed-test .venv/fuzz/installed
	.venv/bin/python -m tests.fuzz.campaign

# Everything, side by side with others, into docs/benchmarks.
bench: .venv/installed-bench
	.venv/bin/python bench/run.py

# Whether the benchmarks work, without others.
bench-quick: .venv/installed-bench
	.venv/bin/python bench/run.py --quick --no-peers --out build/bench/quick

# The steps of the core one by one, and instructions by valgrind.
bench-core: .venv/installed-bench
	.venv/bin/pytest bench -o python_files='bench_*.py' -o python_functions='bench_*' --benchmark-columns=median,iqr,rounds
	! command -v valgrind >/dev/null || .venv/bin/python bench/instructions.py

# What is noticed of each frame of the recordings that is lost or late, into docs/reliability.
detection: .venv/installed-test
	.venv/bin/python -m tests.reliability.detection

# Twenty million frames from a venue that lies, each book and event held against the truth, into docs/reliability.
soak: .venv/installed-all
	.venv/bin/python -m tests.reliability.soak

# The engine with one line made wrong, again and again: each must be caught by a short soak.
mutants: .venv/installed-test
	.venv/bin/python -m tests.reliability.mutants

# 50 connections dropped at once, for eleven minutes, into docs.
reconnects: .venv/installed-bench
	.venv/bin/python bench/reconnects.py

# Venues and recorders killed a hundred times, and one venue stopped for 30 s.
kills: .venv/installed-test
	DEPTHWIRE_KILLS=100 .venv/bin/pytest tests/client/test_kill.py

clean:
	rm -rf .venv build dist src/*.egg-info .coverage .benchmarks
	find src \( -name '*.so' -o -name '*.pyd' \) -delete
	find . -name '.*_cache' -prune -exec rm -r {} + -o -name __pycache__ -prune -exec rm -r {} +

.venv/bin/python:
	python=$$(ci/python) && "$$python" -m venv --clear .venv

# Today's clients of others, for ci/interop.
.venv/interop-v5/installed: pyproject.toml | .venv/bin/python
	.venv/bin/python -m venv --clear .venv/interop-v5
	.venv/bin/python ci/requirements.py interop-v5 > .venv/interop-v5/requirements.txt
	.venv/interop-v5/bin/pip install --quiet --requirement .venv/interop-v5/requirements.txt
	touch $@

# depthwire compiled for the fuzzer, by the newest clang.
.venv/fuzz/installed: $(SOURCES) | .venv/bin/python
	.venv/bin/python -m venv --clear .venv/fuzz
	.venv/bin/python ci/requirements.py build > .venv/fuzz/build-requirements.txt
	.venv/fuzz/bin/pip install --quiet --requirement .venv/fuzz/build-requirements.txt
	CC=$${CLANG:-$$(ls /usr/bin/clang /usr/bin/clang-[0-9]* 2>/dev/null | sort -V | tail -1)}; \
	    test -n "$$CC" || { echo "no clang (Debian, Ubuntu: apt install clang), and CLANG names none" >&2; exit 1; }; \
	    CC=$$CC DEPTHWIRE_FUZZ=1 .venv/fuzz/bin/pip install --quiet --no-build-isolation '.[fuzz]'
	touch $@

# The package in place, with the extra that the name ends in. Compiled without build isolation, so that a changed .pyx
# costs its own compilation and no download.
.venv/installed-%: $(SOURCES) | .venv/bin/python
	.venv/bin/python ci/requirements.py build > .venv/build-requirements.txt
	.venv/bin/pip install --quiet --requirement .venv/build-requirements.txt
	.venv/bin/pip install --quiet --no-build-isolation --editable '.[$*]'
	touch $@
