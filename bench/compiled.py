"""Build ``loops.pyx`` into a folder of the caller, and import it."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import depthwire

SOURCE = Path(__file__).with_name("loops.pyx")


def build(folder: Path) -> Path:
    """Compile the module ``loops`` below ``folder``. Raises ImportError if Cython or setuptools is missing."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    extension = Extension("loops", [str(SOURCE)], extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"])
    include = [str(Path(depthwire.__file__).parents[1])]
    distribution = Distribution(
        {"ext_modules": cythonize([extension], build_dir=str(folder), include_path=include, quiet=True)}
    )
    command = build_ext(distribution)
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath("loops"))


def load(path: Path) -> Any:
    """Import the module that ``build`` compiled."""
    spec = importlib.util.spec_from_file_location("loops", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
