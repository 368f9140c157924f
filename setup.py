"""The compiled modules: every ``.pyx`` under ``src``, one table of directives, six switches.

Set any of these to ``1`` in the environment of a build:

``DEPTHWIRE_CHECKED``   Cython's checks on: indices, division by zero, memory that was never set
``DEPTHWIRE_SANITIZE``  address and undefined-behaviour sanitizers, gcc or clang (run it with libasan preloaded)
``DEPTHWIRE_PORTABLE``  the ways of machines without SSE2, also where there is SSE2
``DEPTHWIRE_FUZZ``      coverage counters and traced comparisons for libFuzzer; clang only (make fuzz)
``DEPTHWIRE_COVERAGE``  line tracing, so that coverage sees into the ``.pyx`` files; leaves C files beside them
``DEPTHWIRE_ANNOTATE``  an annotated HTML page of each ``.pyx`` beside its C file under ``build``
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
    "wraparound": False,  # so that a negative index is no index: the checked build refuses it
    "initializedcheck": checked,
    # Not checked: None, which Cython refuses for attributes of self in nogil code, and overflow, which it gets wrong
    # for pointers. The sanitizers see to the latter.
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
    # What the counters need is in the process that loads the modules: the fuzzer's own.
    compile_args, link_args = ["-O1", "-g", "-fsanitize=fuzzer-no-link"], []
else:
    compile_args, link_args = ["-O3", "-g0"], []


def build_directory() -> str:
    """A directory of its own for everything that shapes the object files: none is ever reused by another build."""
    shape = f"{Path(__file__).read_text()} Cython {version('Cython')} picows {version('picows')}"
    return "-".join(["build/depthwire", *map(str.lower, on), hashlib.sha256(shape.encode()).hexdigest()[:8]])


# Every module depends on every header: a changed one rebuilds them all, which is rare and never too little.
headers = sorted(map(str, SOURCE.rglob("*.h")))
build = build_directory()
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
        # coverage finds a .pyx by the C file beside it
        build_dir=None if coverage else f"{build}/c",
        force=coverage,
        annotate=annotate,
        include_path=[str(SOURCE)],
    ),
    # Object files go to a directory for each platform and Python below this one.
    options={"build": {"build_base": build, "parallel": os.cpu_count()}},
)
