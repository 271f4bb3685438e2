"""Caller marks as the oracle computes them: SipHash-2-4 after the figure of its paper."""


def siphash_2_4(key: bytes, message: bytes) -> int:
    """SipHash-2-4 of a message as a 64-bit integer, straight from the paper's figure."""
    full = 2**64 - 1
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D]
    v += [k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & full

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & full
            v[2] = (v[2] + v[3]) & full
            v[1], v[3] = turn(v[1], 13) ^ v[0], turn(v[3], 16) ^ v[2]
            v[0] = (turn(v[0], 32) + v[3]) & full
            v[2] = (v[2] + v[1]) & full
            v[1], v[3] = turn(v[1], 17) ^ v[2], turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def caller_mark(key: bytes, caller: int) -> int:
    """24 bits that stand for a caller; 0 = withheld."""
    if caller == 0 or 10**15 <= caller < 2**63:
        return 0
    return siphash_2_4(key, caller.to_bytes(8, "little")) % 2**24 or 1
