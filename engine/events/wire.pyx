"""Event batches and checks straight off the wire: one pass over the bytes, no objects.

The field numbers are those of `proto/ringfence/v1`. A field that comes with another wire type
than its own is unknown, and skipped, as the protobuf library does it.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from ringfence.engine.events.insert cimport TAKEN_BYTES
from ringfence.engine.events.protobuf cimport (
    VARINT_BYTES_MAX,
    WIRE_BYTES,
    WIRE_FIXED32,
    WIRE_FIXED64,
    WIRE_VARINT,
    cursor_t,
    read_bytes,
    read_fixed32,
    read_fixed64,
    read_tag,
    read_varint,
    skip_unknown,
)

cdef enum:
    C_EVENTS_MAX = 65_536
    EVENT_BYTES = 8 + 8 + 4 + 4

EVENTS_MAX = C_EVENTS_MAX
CHECK_NUMBERS_MAX = 100_000
_REFUSAL = np.dtype(
    [("tag", "u1"), ("length", "u1"), ("number_tag", "u1"), ("number", "<u8"),
     ("verdict_tag", "u1"), ("verdict", "u1")]
)


class WireError(ValueError):
    """A message cannot be taken: `field` ("" = the message itself), and `text` says why."""

    def __init__(self, field, text):
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field
        self.text = text


ctypedef struct repeated_t:
    # A repeated field as it grows: values beyond `room` are counted and not kept.
    uint8_t *values
    uint64_t room
    uint64_t count


cdef inline void repeated_u64(repeated_t *field, uint64_t value) noexcept nogil:
    if field.count < field.room:
        (<uint64_t *>field.values)[field.count] = value
    field.count += 1


cdef inline void repeated_u32(repeated_t *field, uint32_t value) noexcept nogil:
    if field.count < field.room:
        (<uint32_t *>field.values)[field.count] = value
    field.count += 1


cdef inline bint repeated_packed(
    repeated_t *field, const cursor_t *packed, uint32_t width
) noexcept nogil:
    """Takes a packed run of fixed values of `width` bytes."""
    cdef uint64_t size = packed.end - packed.at
    cdef uint64_t count = size // width
    cdef uint64_t kept = 0
    if size % width:
        return False
    if field.count < field.room:
        kept = min(count, field.room - field.count)
        memcpy(field.values + field.count * width, packed.at, kept * width)
    field.count += count
    return True


cdef inline bint read_repeated_u64(
    cursor_t *cursor, uint32_t wire, repeated_t *field
) noexcept nogil:
    """Reads one value (WIRE_FIXED64) or a packed run (WIRE_BYTES) of fixed64."""
    cdef cursor_t packed
    cdef uint64_t value = 0
    if wire == WIRE_BYTES:
        return read_bytes(cursor, &packed) and repeated_packed(field, &packed, 8)
    if not read_fixed64(cursor, &value):
        return False
    repeated_u64(field, value)
    return True


cdef inline bint read_repeated_u32(
    cursor_t *cursor, uint32_t wire, repeated_t *field
) noexcept nogil:
    """Reads one value (WIRE_FIXED32) or a packed run (WIRE_BYTES) of fixed32."""
    cdef cursor_t packed
    cdef uint32_t value = 0
    if wire == WIRE_BYTES:
        return read_bytes(cursor, &packed) and repeated_packed(field, &packed, 4)
    if not read_fixed32(cursor, &value):
        return False
    repeated_u32(field, value)
    return True


cdef inline bint read_repeated_enum(
    cursor_t *cursor, uint32_t wire, repeated_t *field
) noexcept nogil:
    """Reads one value (WIRE_VARINT) or a packed run (WIRE_BYTES) of an enum: 32 bits of each."""
    cdef cursor_t packed
    cdef uint64_t value = 0
    if wire == WIRE_VARINT:
        if not read_varint(cursor, VARINT_BYTES_MAX, &value):
            return False
        repeated_u32(field, <uint32_t>value)
        return True
    if not read_bytes(cursor, &packed):
        return False
    while packed.at < packed.end:
        if packed.at[0] < 0x80:
            value = packed.at[0]
            packed.at += 1
        elif not read_varint(&packed, VARINT_BYTES_MAX, &value):
            return False
        repeated_u32(field, <uint32_t>value)
    return True


cdef class EventDecoder:
    """Decodes {Stream,Record}EventsRequest into memory that it owns and uses again."""

    def __cinit__(self):
        self.memory = <uint8_t *>malloc(C_EVENTS_MAX * (EVENT_BYTES + TAKEN_BYTES))
        if self.memory == NULL:
            raise MemoryError
        self.called = <uint64_t *>self.memory
        self.caller = self.called + C_EVENTS_MAX
        self.occurred_at = <uint32_t *>(self.caller + C_EVENTS_MAX)
        self.kind = <int32_t *>(self.occurred_at + C_EVENTS_MAX)
        self.taken = <uint64_t *>(self.kind + C_EVENTS_MAX)
        self._forget()

    def __dealloc__(self):
        free(self.memory)

    def drop_events(self):
        memset(self.caller, 0, self.events * sizeof(uint64_t))
        self.events = 0

    def _forget(self):
        memset(self.caller, 0, C_EVENTS_MAX * sizeof(uint64_t))
        self.feed = ""
        self.sequence = 0
        self.watermark = 0
        self.complete_from = 0
        self.events = 0

    def decode(self, const uint8_t[::1] message not None):
        cdef repeated_t called = [<uint8_t *>self.called, C_EVENTS_MAX, 0]
        cdef repeated_t caller = [<uint8_t *>self.caller, C_EVENTS_MAX, 0]
        cdef repeated_t occurred_at = [<uint8_t *>self.occurred_at, C_EVENTS_MAX, 0]
        cdef repeated_t kind = [<uint8_t *>self.kind, C_EVENTS_MAX, 0]
        cdef cursor_t feed = [NULL, NULL]
        cdef cursor_t cursor = [NULL, NULL]
        cdef uint32_t field = 0, wire = 0
        cdef bint good = True
        self.drop_events()
        self.feed = ""
        self.sequence = self.watermark = self.complete_from = 0
        if message.shape[0]:
            cursor.at = &message[0]
            cursor.end = cursor.at + message.shape[0]
        while good and cursor.at < cursor.end:
            good = read_tag(&cursor, &field, &wire)
            if not good:
                break
            if field == 1 and wire == WIRE_BYTES:
                good = read_bytes(&cursor, &feed) and _take_feed(self, &feed)
            elif field == 2 and wire == WIRE_VARINT:
                good = read_varint(&cursor, VARINT_BYTES_MAX, &self.sequence)
            elif field == 3 and wire == WIRE_FIXED32:
                good = read_fixed32(&cursor, &self.watermark)
            elif field == 4 and (wire == WIRE_FIXED64 or wire == WIRE_BYTES):
                good = read_repeated_u64(&cursor, wire, &called)
            elif field == 5 and (wire == WIRE_FIXED64 or wire == WIRE_BYTES):
                good = read_repeated_u64(&cursor, wire, &caller)
            elif field == 6 and (wire == WIRE_FIXED32 or wire == WIRE_BYTES):
                good = read_repeated_u32(&cursor, wire, &occurred_at)
            elif field == 7 and (wire == WIRE_VARINT or wire == WIRE_BYTES):
                good = read_repeated_enum(&cursor, wire, &kind)
            elif field == 8 and wire == WIRE_FIXED32:
                good = read_fixed32(&cursor, &self.complete_from)
            else:
                good = skip_unknown(&cursor, field, wire)
        if not good:
            self._forget()
            raise WireError("", f"not a protobuf message: bytes={message.shape[0]}")
        lengths = (called.count, caller.count, occurred_at.count, kind.count)
        if len(set(lengths)) > 1:
            self._forget()
            raise WireError(
                "called, caller, occurred_at, kind",
                f"lengths={', '.join(map(str, lengths))}, bound=equal",
            )
        if called.count > C_EVENTS_MAX:
            self._forget()
            raise WireError("called", f"events={called.count}, limit={C_EVENTS_MAX}")
        self.events = called.count


cdef bint _take_feed(EventDecoder decoder, const cursor_t *feed):
    """Takes the name; False when it is not UTF-8, which protobuf refuses too."""
    try:
        decoder.feed = (<const char *>feed.at)[: feed.end - feed.at].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_check(const uint8_t[::1] message not None):
    # A number takes 8 bytes or more, so there is room for all that the message can hold.
    numbers = np.empty(message.shape[0] // 8, dtype=np.uint64)
    cdef uint64_t[::1] cells = numbers
    cdef repeated_t found = [NULL, cells.shape[0], 0]
    cdef cursor_t cursor = [NULL, NULL]
    cdef uint32_t field = 0, wire = 0, at = 0
    cdef bint good = True
    if cells.shape[0]:
        found.values = <uint8_t *>&cells[0]
    if message.shape[0]:
        cursor.at = &message[0]
        cursor.end = cursor.at + message.shape[0]
    while good and cursor.at < cursor.end:
        good = read_tag(&cursor, &field, &wire)
        if not good:
            break
        if field == 1 and (wire == WIRE_FIXED64 or wire == WIRE_BYTES):
            good = read_repeated_u64(&cursor, wire, &found)
        elif field == 2 and wire == WIRE_FIXED32:
            good = read_fixed32(&cursor, &at)
        else:
            good = skip_unknown(&cursor, field, wire)
    if not good:
        raise WireError("", f"not a protobuf message: bytes={message.shape[0]}")
    if not 1 <= found.count <= CHECK_NUMBERS_MAX:
        raise WireError("numbers", f"count={found.count}, bound=1 to {CHECK_NUMBERS_MAX}")
    return numbers[: found.count], at


def split_numbers(const uint8_t[::1] message not None):
    # A number takes 8 bytes or more, so there is room for all that the message can hold.
    numbers = np.empty(message.shape[0] // 8, dtype=np.uint64)
    cdef uint64_t[::1] cells = numbers
    cdef repeated_t found = [NULL, cells.shape[0], 0]
    cdef cursor_t cursor = [NULL, NULL]
    cdef const uint8_t *kept = NULL  # where a run of other fields begins
    cdef const uint8_t *begin = NULL
    cdef uint32_t field = 0, wire = 0
    cdef bint good = True
    rest = []
    if cells.shape[0]:
        found.values = <uint8_t *>&cells[0]
    if message.shape[0]:
        cursor.at = kept = &message[0]
        cursor.end = cursor.at + message.shape[0]
    while good and cursor.at < cursor.end:
        begin = cursor.at
        good = read_tag(&cursor, &field, &wire)
        if not good:
            break
        if field == 1 and (wire == WIRE_FIXED64 or wire == WIRE_BYTES):
            if kept != begin:
                rest.append((<const char *>kept)[: begin - kept])
            good = read_repeated_u64(&cursor, wire, &found)
            kept = cursor.at
        else:
            good = skip_unknown(&cursor, field, wire)
    if not good:
        raise WireError("", f"not a protobuf message: bytes={message.shape[0]}")
    if kept != cursor.at:
        rest.append((<const char *>kept)[: cursor.at - kept])
    return numbers[: found.count], b"".join(rest)


cdef bytes _varint(uint64_t value):
    cdef uint8_t coded[10]
    cdef int length = 0
    while value >= 0x80:
        coded[length] = <uint8_t>(value & 0x7f | 0x80)
        value >>= 7
        length += 1
    coded[length] = <uint8_t>value
    return (<const char *>&coded[0])[: length + 1]


cdef bytes _tagged(int field, uint64_t value):
    """A varint field; nothing for 0, which is the default."""
    return b"" if value == 0 else _varint(field << 3 | WIRE_VARINT) + _varint(value)


cdef bytes _delimited(int field, bytes content):
    return _varint(field << 3 | WIRE_BYTES) + _varint(len(content)) + content


def encode_check(verdicts, clean_at, expected_at):
    # A verdict is below 128: its varint is its byte.
    answer = _delimited(1, verdicts.astype(np.uint8, copy=False).tobytes())
    for field, times in ((2, clean_at), (3, expected_at)):
        answer += _delimited(field, times.astype("<u4", copy=False).tobytes())
    return answer


def encode_changed(changed, refused, verdicts):
    # Each refusal has the same length: tag, length, number with its tag, verdict with its tag.
    refusals = np.empty(len(refused), dtype=_REFUSAL)
    for name, byte in (("tag", 2 << 3 | WIRE_BYTES), ("length", _REFUSAL.itemsize - 2),
                       ("number_tag", 1 << 3 | WIRE_FIXED64), ("verdict_tag", 2 << 3)):
        refusals[name] = byte
    refusals["number"], refusals["verdict"] = refused, verdicts
    answer = _delimited(1, changed.astype("<u8", copy=False).tobytes()) if len(changed) else b""
    return answer + refusals.tobytes()


def encode_events_answer(sequence, accepted, untracked, rejected, rejections, watermark):
    answer = _tagged(1, sequence) + _tagged(2, accepted) + _tagged(3, untracked)
    answer += _tagged(4, rejected)
    for index, reason in rejections:
        answer += _delimited(5, _tagged(1, index) + _delimited(2, reason.encode()))
    if watermark:
        answer += _varint(6 << 3 | WIRE_FIXED32) + watermark.to_bytes(4, "little")
    return answer
