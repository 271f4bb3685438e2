"""The extension modules of `ringfence.engine`; everything else is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ENGINE = Path("src/ringfence/engine")  # a link in the checkout, a real folder in an sdist
HEADERS = [str(header) for header in sorted(ENGINE.glob("*/*.h"))]

setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(source.relative_to("src").with_suffix("").parts),
                [str(source)],
                depends=HEADERS,
                include_dirs=[str(ENGINE / "memory")],
                extra_compile_args=["-O3", "-std=gnu11", "-fno-math-errno"],
            )
            for source in sorted(ENGINE.glob("*/*.pyx"))
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
