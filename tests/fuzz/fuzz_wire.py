"""Fuzzes the wire decoder against the protobuf library, guided by coverage. Not part of the suite.

    pip install atheris            # wheels for CPython up to 3.12; not a dependency of this project
    python tests/fuzz/fuzz_wire.py -max_total_time=600 -max_len=4096 CORPUS_FOLDER

Any disagreement ends the run, and the message is kept in a file `crash-...`. The suite does the
same with drawn messages (test_engine_wire.py). Coverage is that of the Python side only; build the
extensions with CFLAGS=-fsanitize=fuzzer-no-link to guide it by the decoder as well.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from wire_agreement import WireTwins, compare_check

twins = WireTwins()


def compare(message: bytes) -> None:
    """One message, as a batch and as a check."""
    twins.compare_events(message)
    compare_check(message)


if __name__ == "__main__":
    atheris.Setup(sys.argv, compare)
    atheris.Fuzz()
