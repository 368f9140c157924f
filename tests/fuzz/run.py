"""Fuzzes one target by coverage, of the compiled modules (built with DEPTHWIRE_FUZZ=1) and of the Python ones.

``python -m tests.fuzz.run TARGET CORPUS… [-libfuzzer_option=…]`` takes what libFuzzer does; ``make fuzz`` drives it.
"""

import os
import sys

import atheris

# The compiled modules find the counters' callbacks there: loaded first, by force, libFuzzer is for all to see.
LIBRARY = f"{atheris.path()}/ubsan_with_fuzzer.so"
if os.environ.get("LD_PRELOAD") != LIBRARY:
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"LD_PRELOAD": LIBRARY})  # noqa: S606

with atheris.instrument_imports(include=["depthwire"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    # A merge starts this command anew.
    atheris.Setup([f"{sys.executable} -m tests.fuzz.run {name}", *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
