"""Every valid way to write down one event batch in the protobuf wire format, drawn by hypothesis.

Written by hand and not with the protobuf library, which knows only one way. Source: protobuf.dev,
"Encoding".
"""

from hypothesis import strategies as st

from support.small_table import NUMBERS, START

VARINT, FIXED64, BYTES, GROUP_BEGIN, GROUP_END, FIXED32 = range(6)
FIELD_MAX = 2**29 - 1

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
called = st.sampled_from(NUMBERS) | st.sampled_from([0, 999_999, 10**15, 2**64 - 1]) | u64
caller = st.sampled_from([0, 441632960001, 10**15 - 1, 10**15, 2**63]) | u64
occurred_at = st.integers(START - 1, START + 1301) | st.sampled_from([0, 2**32 - 1])
kind = st.integers(1, 6) | st.sampled_from([0, 7, -1, -(2**31), 2**31 - 1])
event_rows = st.lists(st.tuples(called, caller, occurred_at, kind), max_size=12)


def varint(value: int, padding: int = 0) -> bytes:
    """A base-128 number, with some needless groups of zero bits at its end."""
    coded = bytearray()
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    if padding:
        coded[-1] |= 0x80
        coded += b"\x80" * (padding - 1) + b"\x00"
    return bytes(coded)


def padded(draw: st.DrawFn, value: int, bytes_max: int = 10) -> bytes:
    """A base-128 number in as many bytes as it needs, or more."""
    return varint(value, min(draw(paddings), bytes_max - len(varint(value))))


def tagged(draw: st.DrawFn, field: int, wire: int, value: bytes) -> bytes:
    """A tag and its value; a length before the value when its type needs one."""
    length = padded(draw, len(value), 5) if wire == BYTES else b""
    return padded(draw, field << 3 | wire, 5) + length + value


def enum_value(draw: st.DrawFn, value: int) -> bytes:
    """An enum value; a negative one has all ten bytes, and bits above 32 do not matter."""
    if value >= 0:
        value |= draw(high_halves) << 32
    return padded(draw, value % 2**64)


def runs(draw: st.DrawFn, field: int, wire: int, values: list[bytes]) -> list[bytes]:
    """A repeated field as unpacked values and packed runs, empty runs too, in any mixture."""
    pieces = []
    at = 0
    while at < len(values):
        length = draw(run_lengths)
        if length < 0:
            pieces.append(tagged(draw, field, wire, values[at]))
            at += 1
        else:
            pieces.append(tagged(draw, field, BYTES, b"".join(values[at : at + length])))
            at += length
    return pieces


def unknown(draw: st.DrawFn, depth: int = 3) -> bytes:
    """A field that the message does not have, or has with another wire type."""
    wire = draw(wires if depth else wires_of_values)
    field = draw(_UNKNOWN_FIELDS[wire])
    if wire == GROUP_BEGIN:
        inside = b"".join(unknown(draw, depth - 1) for _ in range(draw(few)))
        begin = tagged(draw, field, GROUP_BEGIN, inside)
        return begin + tagged(draw, field, GROUP_END, b"")
    value = padded(draw, draw(u64)) if wire == VARINT else draw(_VALUES[wire])
    return tagged(draw, field, wire, value)


# The known fields that do not come with this wire type, and some that do not exist.
_UNKNOWN_FIELDS = {
    wire: st.sampled_from([9, 16, 2048, FIELD_MAX, *others])
    for wire, others in {
        VARINT: [1, 3, 4, 5, 6, 8],
        FIXED64: [1, 2, 3, 6, 7, 8],
        BYTES: [2, 3, 8],
        FIXED32: [1, 2, 4, 5, 7],
        GROUP_BEGIN: [1, 2, 3, 4, 5, 6, 7, 8],
    }.items()
}
_VALUES = {
    FIXED64: st.binary(min_size=8, max_size=8),
    BYTES: st.binary(max_size=20),
    FIXED32: st.binary(min_size=4, max_size=4),
}
wires_of_values = st.sampled_from([VARINT, FIXED64, BYTES, FIXED32])
wires = st.sampled_from([VARINT, FIXED64, BYTES, FIXED32, GROUP_BEGIN])
few = st.integers(0, 2)
paddings = st.sampled_from([0, 0, 0, 0, 1, 2, 9])
high_halves = st.sampled_from([0, 0, 0, 1, 2**32 - 1])
run_lengths = st.integers(-4, 12)  # below 0: one value, unpacked
names = st.text(max_size=8)


def columns(draw: st.DrawFn, rows: list[tuple[int, int, int, int]]) -> list[list[bytes]]:
    """The four repeated fields, as pieces that keep their order within a field."""
    return [
        runs(draw, 4, FIXED64, [row[0].to_bytes(8, "little") for row in rows]),
        runs(draw, 5, FIXED64, [row[1].to_bytes(8, "little") for row in rows]),
        runs(draw, 6, FIXED32, [row[2].to_bytes(4, "little") for row in rows]),
        runs(draw, 7, VARINT, [enum_value(draw, row[3]) for row in rows]),
    ]


@st.composite
def batches(draw: st.DrawFn) -> bytes:
    """One StreamEventsRequest with equal columns, its pieces in any order.

    A singular field is absent, there once, or there twice: the last one counts.
    """
    queues = columns(draw, draw(event_rows))
    queues.append([tagged(draw, 1, BYTES, draw(names).encode()) for _ in range(draw(few))])
    queues.append([tagged(draw, 2, VARINT, padded(draw, draw(u64))) for _ in range(draw(few))])
    for field in (3, 8):
        values = [draw(u32).to_bytes(4, "little") for _ in range(draw(few))]
        queues.append([tagged(draw, field, FIXED32, value) for value in values])
    queues.append([unknown(draw) for _ in range(draw(few))])
    turns = draw(st.permutations([i for i, queue in enumerate(queues) for _ in queue]))
    return b"".join(queues[i].pop(0) for i in turns)


@st.composite
def checks(draw: st.DrawFn) -> bytes:
    """One CheckNumbersRequest, its pieces in any order."""
    numbers = [number.to_bytes(8, "little") for number in draw(st.lists(called, max_size=12))]
    pieces = runs(draw, 1, FIXED64, numbers)
    ats = [draw(u32).to_bytes(4, "little") for _ in range(draw(few))]
    extra = [tagged(draw, 2, FIXED32, at) for at in ats]
    extra += [tagged(draw, 9, BYTES, draw(_VALUES[BYTES])) for _ in range(draw(few))]
    for piece in extra:
        pieces.insert(draw(st.integers(0, len(pieces))), piece)
    return b"".join(pieces)


@st.composite
def spoiled(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """A message with a piece cut out, changed, put in or cut off."""
    message = bytearray(draw(messages))
    begin = draw(st.integers(0, len(message)))
    end = draw(st.integers(begin, min(len(message), begin + 4)))
    message[begin:end] = draw(st.binary(max_size=4))
    return bytes(message[: draw(st.integers(0, len(message)) | st.just(len(message)))])
