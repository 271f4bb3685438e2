"""What somebody looks for first: the licence, what changed, what is promised, whom to tell."""

import hashlib
import re
import tomllib
from importlib import metadata

from support.places import ROOT

STANDARD_TEXT = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # of Apache-2.0
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def test_licence_is_the_standard_text_and_the_metadata_names_it() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == STANDARD_TEXT
    inside_tshark = "GPL-2.0-or-later OR MIT"  # a script that runs in a program under the GPL
    assert PROJECT["license"] == f"Apache-2.0 AND ({inside_tshark})"
    assert PROJECT["license-files"] == ["LICENSE"]
    named = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "src").rglob("*.lua")
        if path.read_text("utf-8").startswith(f"-- SPDX-License-Identifier: {inside_tshark}\n")
    ]
    assert named == ["src/ringfence/adapters/tap/core.lua"]
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License ::")]


def test_metadata_names_each_python_that_wheels_are_made_for() -> None:
    python = "Programming Language :: Python :: "
    named = [each.removeprefix(python) for each in PROJECT["classifiers"] if python in each]
    assert [each for each in named if re.fullmatch(r"\d\.\d+", each)] == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    built = PYPROJECT["tool"]["cibuildwheel"]["build"].split()
    assert built == [f"cp{python.replace('.', '')}-manylinux_*" for python in PYTHONS]


def test_metadata_names_no_host_that_is_not_there() -> None:
    assert "urls" not in PROJECT  # there is none yet


def test_change_log_has_the_version_and_what_is_kept_of_it() -> None:
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {PROJECT['version']}\n" in log
    assert metadata.version("ringfence") == PROJECT["version"]
    promised = log.partition("## What stays as it is")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| the (\w+(?: file| line)?)", promised, re.MULTILINE)
    assert {"wire", "disk", "configuration file", "command line"} <= set(rows)


def test_files_at_the_top_are_those_that_somebody_looks_for() -> None:
    files = {path.name for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."}
    assert files - {".gitignore"} == {
        *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
        *("pyproject.toml", "setup.py", "MANIFEST.in"),
    }


def test_image_copies_what_a_build_needs_and_runs_as_a_user_of_its_own() -> None:
    text = (ROOT / "packaging/Containerfile").read_text("utf-8")
    sources = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)).split()
    assert {"engine", "proto", "server", "src", "setup.py", "LICENSE"} <= set(sources)
    assert [word for word in sources if not (ROOT / word).exists()] == []
    served = text.rpartition("\nFROM ")[2]
    assert "\nUSER ringfence\n" in served.partition("\nENTRYPOINT ")[0]
    assert "--shm-size" in text  # of 64 MiB no server starts
