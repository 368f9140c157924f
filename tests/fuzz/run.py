"""Fuzz one target, guided by the coverage of compiled modules (built with DEPTHWIRE_FUZZ=1) and Python ones.

``python -m tests.fuzz.run TARGET CORPUS… [-libfuzzer_option=…]`` takes what libFuzzer does; ``make fuzz`` drives it.
"""

import os
import sys

import atheris

# The compiled modules find the counters' callbacks in libFuzzer, if it is preloaded.
LIBRARY = f"{atheris.path()}/ubsan_with_fuzzer.so"
if os.environ.get("LD_PRELOAD") != LIBRARY:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"LD_PRELOAD": LIBRARY})  # noqa: S606

with atheris.instrument_imports(include=["depthwire"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    # A merge starts this command again.
    atheris.Setup([f"{sys.executable} -m tests.fuzz.run {name}", *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
