"""Fuzzes what reads lines of JSON and bodies of HTTP, guided by coverage; see `fuzz_sip.py`.

    .venv/bin/pip install atheris
    .venv/bin/python tests/fuzz/fuzz_lines.py -max_total_time=300 [CORPUS_FOLDER]

The first octet chooses the way in (a line, an array, a stream of lines), the rest goes in. Only
BadLine and Problem may come out.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["ringfence.adapters"]):
    from ringfence.adapters.http.body import elements
    from ringfence.adapters.http.problem import Problem
    from ringfence.adapters.ndjson.line import BadLine, object_of, read_values
    from ringfence.adapters.ndjson.splitter import Splitter


def read(line: bytes | None) -> None:
    """Reads one line."""
    if line is not None:
        with suppress(BadLine):
            read_values(object_of(line))


def one_input(octets: bytes) -> None:
    """Reads one input."""
    way, rest = octets[:1], octets[1:]
    if way < b"\x80":
        read(rest)
    elif way < b"\xc0":
        with suppress(Problem, BadLine):
            for _, values in elements(rest):
                read_values(values)
    else:
        splitter = Splitter()
        for line in (*splitter.feed(rest), *splitter.finish()):
            read(line)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
