"""Fuzzes what reads SMPP, guided by coverage; the suite's own fuzzing is hypothesis.

    .venv/bin/pip install atheris
    .venv/bin/python tests/fuzz/fuzz_smpp.py -max_total_time=300 [CORPUS_FOLDER]

The first octet chooses the way in (a stream, or the body of one kind of message), the rest goes in.
Only Unreadable may come out, counted, and every message must have an outcome.
"""

import sys

import atheris

with atheris.instrument_imports(include=["ringfence.adapters"]):
    from ringfence.adapters.base import Unreadable
    from ringfence.adapters.smpp.body import read_bind
    from ringfence.adapters.smpp.pdu import Framing, Pdu
    from ringfence.adapters.smpp.reader import MESSAGES, SmppReader
    from ringfence.wording.dialled import DialPlan

PLAN = DialPlan.of_country(44)
COMMANDS = sorted(MESSAGES)


def read(reader: SmppReader, pdu: Pdu) -> None:
    """Reads one message, which must have an outcome."""
    before = reader.tally.total()
    try:
        reader.read(pdu, 0)
    except Unreadable as unreadable:
        if not reader.tally[unreadable.reason]:
            raise AssertionError("not counted") from unreadable
    if reader.tally.total() == before:
        raise AssertionError("no outcome")


def one_input(octets: bytes) -> None:
    """Reads one input."""
    way, rest = octets[:1], octets[1:]
    reader = SmppReader(PLAN)
    if way >= b"\x80":
        read(reader, Pdu(COMMANDS[way[0] % len(COMMANDS)], 0, 1, rest))
        return
    try:
        for pdu in Framing().feed(rest):
            if pdu.command in MESSAGES:
                read(reader, pdu)
            else:
                read_bind(pdu.body)
    except Unreadable:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
