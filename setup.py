"""The compiled modules: every ``.pyx`` under ``src``, one table of directives, six switches.

Set any of these to ``1`` in the environment of a build:

``DEPTHWIRE_CHECKED``   Cython's run-time checks: indices, division by zero, uninitialized memory
``DEPTHWIRE_SANITIZE``  address and undefined-behaviour sanitizers, gcc or clang (run it with libasan preloaded)
``DEPTHWIRE_PORTABLE``  the code for machines without SSE2, even if there is SSE2
``DEPTHWIRE_FUZZ``      coverage counters and traced comparisons for libFuzzer; clang only (make fuzz)
``DEPTHWIRE_COVERAGE``  line tracing, so that coverage can read the ``.pyx`` files; leaves C files next to them
``DEPTHWIRE_ANNOTATE``  an annotated HTML page of each ``.pyx`` next to its C file under ``build``
"""

import hashlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE = Path("src")
SWITCHES = ("CHECKED", "SANITIZE", "PORTABLE", "FUZZ", "COVERAGE", "ANNOTATE")

on = [name for name in SWITCHES if os.environ.get(f"DEPTHWIRE_{name}", "0") not in ("", "0")]
checked, sanitize, portable, fuzz, coverage, annotate = (name in on for name in SWITCHES)

directives = {
    "language_level": 3,
    "binding": True,
    "embedsignature": True,
    "auto_pickle": False,  # a copy of C memory, or without it, is a crash later: copying is a TypeError
    "cdivision": not checked,
    "boundscheck": checked,
    "wraparound": False,  # negative indices are invalid, and the checked build refuses them
    "initializedcheck": checked,
    # Not checked: None, because Cython refuses that check for attributes of self in nogil code, and overflow, because
    # Cython gets it wrong for pointers. The sanitizers check overflow.
    "linetrace": coverage,
}

macros = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")] if coverage else []
macros += [("DEPTHWIRE_PORTABLE", "1")] if portable else []
if sys.platform == "win32":
    if sanitize or fuzz:
        sys.exit("DEPTHWIRE_SANITIZE needs gcc or clang, DEPTHWIRE_FUZZ clang")
    compile_args, link_args = ["/O2"], []
elif sanitize:
    link_args = ["-fsanitize=address,undefined"]
    compile_args = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-wrapv", "-fno-sanitize-recover=all", *link_args]
elif fuzz:
    # The counters' callbacks are in the process that loads the modules, which is the fuzzer.
    compile_args, link_args = ["-O1", "-g", "-fsanitize=fuzzer-no-link"], []
else:
    # A checked build is never measured, so it need not take long to compile.
    compile_args, link_args = ["-O1" if checked else "-O3", "-g0"], []


def build_directory(switches: list[str]) -> str:
    """Return a directory for builds with these switches and tools. No other build reuses its files."""
    shape = f"{Path(__file__).read_text()} Cython {version('Cython')} picows {version('picows')}"
    return "-".join(["build/depthwire", *map(str.lower, switches), hashlib.sha256(shape.encode()).hexdigest()[:8]])


# Every module depends on every header. A changed header rebuilds them all, which is rare and never too little.
headers = sorted(map(str, SOURCE.rglob("*.h")))
build = build_directory(on)
# Only these switches change the C files, so that other builds share them.
c_files = build_directory([name for name in on if name in ("CHECKED", "COVERAGE", "ANNOTATE")]) + "/c"
setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.relative_to(SOURCE).with_suffix("").parts),
                [str(path)],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
                define_macros=macros,
                include_dirs=[str(SOURCE)],
                depends=headers,
            )
            for path in sorted(SOURCE.rglob("*.pyx"))
        ],
        compiler_directives=directives,
        # coverage finds a .pyx by the C file next to it
        build_dir=None if coverage else c_files,
        force=coverage,
        annotate=annotate,
        include_path=[str(SOURCE)],
    ),
    # Object files go to a subdirectory for each platform and Python.
    options={"build": {"build_base": build, "parallel": os.cpu_count()}},
)
