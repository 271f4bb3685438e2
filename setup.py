"""The extension modules of `ringfence.engine`; everything else is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ENGINE = Path("src/ringfence/engine")  # a link in the checkout, a real folder in an sdist
SHARED = "ringfence.engine.memory._cython"  # what Cython would else put into each module
HEADERS = [str(header) for header in sorted(ENGINE.glob("*/*.h"))]

setup(
    ext_modules=cythonize(
        [
            Extension(SHARED, [f"src/{SHARED.replace('.', '/')}.c"], extra_compile_args=["-O1"]),
            *(
                Extension(
                    ".".join(source.relative_to("src").with_suffix("").parts),
                    [str(source)],
                    depends=HEADERS,
                    include_dirs=[str(ENGINE / "memory")],
                    extra_compile_args=["-O3", "-std=gnu11", "-fno-math-errno"],
                )
                for source in sorted(ENGINE.glob("*/*.pyx"))
            ),
        ],
        include_path=["src"],
        shared_utility_qualified_name=SHARED,
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
