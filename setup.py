"""The extension modules of `ringfence.engine`; everything else is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

ENGINE = "src/ringfence/engine"  # a link to engine/ in the checkout, a real folder in an sdist
MODULES = ("segment", "view", "wire", "core", "control", "record_blocks", "scan", "spray")

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"ringfence.engine.{module}",
                [f"{ENGINE}/{module}.pyx"],
                depends=[f"{ENGINE}/record.h", f"{ENGINE}/atomic.h"],
                extra_compile_args=["-O3", "-std=gnu11", "-fno-math-errno"],
            )
            for module in MODULES
        ],
        include_path=["src"],
        compiler_directives={
            "language_level": "3str",
            "auto_pickle": False,
            "autotestdict": False,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
