"""Reading the protobuf wire format: a cursor over bytes, no allocation, no recursion.

Source: protobuf.dev, "Encoding". Every function that can meet malformed bytes returns False for
them and leaves the cursor anywhere; the message is then refused as a whole.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    WIRE_VARINT = 0
    WIRE_FIXED64 = 1
    WIRE_BYTES = 2
    WIRE_GROUP_BEGIN = 3
    WIRE_GROUP_END = 4
    WIRE_FIXED32 = 5
    GROUP_DEPTH_MAX = 100  # as deep as the protobuf library itself goes
    VARINT_BYTES_MAX = 10
    VARINT32_BYTES_MAX = 5  # tags and lengths

ctypedef struct cursor_t:
    const uint8_t *at
    const uint8_t *end

cdef inline bint read_varint(cursor_t *cursor, int bytes_max, uint64_t *value) noexcept nogil:
    """Reads a base-128 number of at most so many bytes; bits above 64 are dropped."""
    cdef uint64_t result = 0
    cdef uint8_t byte
    cdef int i
    for i in range(bytes_max):
        if cursor.at == cursor.end:
            return False
        byte = cursor.at[0]
        cursor.at += 1
        result |= <uint64_t>(byte & 0x7f) << (7 * i)
        if not byte & 0x80:
            value[0] = result
            return True
    return False

cdef inline bint read_tag(cursor_t *cursor, uint32_t *field, uint32_t *wire) noexcept nogil:
    """Reads a field number and a wire type."""
    cdef uint64_t tag = 0
    if not read_varint(cursor, VARINT32_BYTES_MAX, &tag) or tag >> 32:
        return False
    field[0] = <uint32_t>(tag >> 3)
    wire[0] = <uint32_t>(tag & 7)
    return True

cdef inline bint read_fixed32(cursor_t *cursor, uint32_t *value) noexcept nogil:
    if cursor.end - cursor.at < 4:
        return False
    memcpy(value, cursor.at, 4)
    cursor.at += 4
    return True

cdef inline bint read_fixed64(cursor_t *cursor, uint64_t *value) noexcept nogil:
    if cursor.end - cursor.at < 8:
        return False
    memcpy(value, cursor.at, 8)
    cursor.at += 8
    return True

cdef inline bint read_bytes(cursor_t *cursor, cursor_t *inside) noexcept nogil:
    """Reads a length and steps over that many bytes, which become the cursor `inside`."""
    cdef uint64_t length = 0
    if not read_varint(cursor, VARINT32_BYTES_MAX, &length):
        return False
    if length > <uint64_t>(cursor.end - cursor.at):
        return False
    inside.at = cursor.at
    inside.end = cursor.at + length
    cursor.at = inside.end
    return True

cdef inline bint skip_value(cursor_t *cursor, uint32_t wire) noexcept nogil:
    """Steps over a value that is not a group."""
    cdef uint64_t number = 0
    cdef uint32_t half = 0
    cdef cursor_t inside
    if wire == WIRE_VARINT:
        return read_varint(cursor, VARINT_BYTES_MAX, &number)
    if wire == WIRE_FIXED64:
        return read_fixed64(cursor, &number)
    if wire == WIRE_FIXED32:
        return read_fixed32(cursor, &half)
    if wire == WIRE_BYTES:
        return read_bytes(cursor, &inside)
    return False

cdef inline bint skip_unknown(cursor_t *cursor, uint32_t field, uint32_t wire) noexcept nogil:
    """Steps over a field that is not known, groups within groups included.

    Field number 0 is malformed, except inside such a group, where the library takes it.
    """
    cdef uint32_t open_groups[GROUP_DEPTH_MAX]
    cdef int depth = 0
    if field == 0:
        return False
    while True:
        if wire == WIRE_GROUP_BEGIN:
            if depth == GROUP_DEPTH_MAX:
                return False
            open_groups[depth] = field
            depth += 1
        elif wire == WIRE_GROUP_END:
            if depth == 0 or open_groups[depth - 1] != field:
                return False
            depth -= 1
        elif not skip_value(cursor, wire):
            return False
        if depth == 0:
            return True
        if not read_tag(cursor, &field, &wire):
            return False
