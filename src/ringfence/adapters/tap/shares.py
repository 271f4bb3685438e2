"""Filters that give each frame to one of several taps.

All of a conversation must go the same way, whoever speaks: a TCP connection, an SCTP association, a
packet in fragments. So the last octets of both addresses are added. What has no addresses of IP in
its first header, such as a frame with two VLAN tags, goes to the first tap. Linux takes one tag off
before filters see a frame.
"""

from __future__ import annotations

TAPS_MAX = 8
_SUMS = ("ip[15] + ip[19]", "ip6[23] + ip6[39]")


def shares(filter_: str, count: int) -> list[str]:
    """A filter of libpcap for each of so many taps; together they let in what `filter_` does."""
    if count == 1:
        return [filter_]
    others = [_share(number, count) for number in range(1, count)]
    first = f"not ({' or '.join(others)})"
    wanted = f"({filter_}) and " if filter_ else ""
    return [f"{wanted}({share})" for share in (first, *others)]


def _share(number: int, count: int) -> str:
    return " or ".join(f"(({each}) % {count} = {number})" for each in _SUMS)
