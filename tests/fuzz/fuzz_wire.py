"""Fuzzes the wire decoder against the protobuf library, guided by coverage. Not part of the suite.

    pip install atheris            # no dependency of this project; wheels for some CPython on Linux
    python tests/fuzz/fuzz_wire.py -max_total_time=600 -max_len=8192 CORPUS_FOLDER

The fuzzer's bytes choose among the encodings that the suite draws at random
(engine/events/test_wire.py), whole and spoiled. Any disagreement ends the run; the bytes are kept
in a file `crash-...`, which the same command with that file repeats. The coverage that guides is
that of the Python side: which encodings were written and how the two readers took them.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["support"]):
    from support.wire_agreement import WireTwins, compare_check
    from support.wire_encodings import batches, checks, spoiled

from hypothesis import given, settings
from hypothesis import strategies as st

twins = WireTwins()
messages = batches() | checks()


@settings(database=None, deadline=None)
@given(messages | spoiled(messages) | st.binary())
def compare(message: bytes) -> None:
    """One message, read as a batch and as a check."""
    twins.compare_events(message)
    compare_check(message)


if __name__ == "__main__":
    atheris.Setup(sys.argv, compare.hypothesis.fuzz_one_input)
    atheris.Fuzz()
