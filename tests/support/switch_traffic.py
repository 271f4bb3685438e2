"""SIP messages and HEP3 datagrams made to order, and the list that takes what an adapter sends."""

import struct
from typing import NamedTuple

from ringfence import EventKind, caller_of_text

CALLED = "+447700900123"
CALLER = "+441632960321"
AT = 1_790_000_000


class Sent(NamedTuple):
    """One event as an adapter sent it."""

    called: int
    caller: int
    occurred_at: int
    kind: EventKind


class ListSink:
    """Takes what a `ringfence.EventStream` would take."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.lost: list[tuple[int, int]] = []

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        self.sent.append(Sent(called, caller, occurred_at, kind))
        return True

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> None:
        self.send(called, caller, occurred_at, kind)

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.append((began_at, ended_at))


def sip(
    method: str = "INVITE",
    *,
    uri: str = f"sip:{CALLED}@switch.example;user=phone",
    sender: str = f"<sip:{CALLER}@caller.example;user=phone>;tag=t1",
    to: str = f"<sip:{CALLED}@switch.example>",
    call_id: str = "c1@caller.example",
    cseq: int = 1,
    more: str = "",
    body: str = "",
    end: str = "\r\n",
) -> bytes:
    """A request; `more` holds whole header lines, each with its line end."""
    lines = (
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1:15080;branch=z9hG4bK-1",
        f"From: {sender}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Max-Forwards: 70{end}{more}Content-Length: {len(body.encode())}",
        "",
        body,
    )
    return end.join(lines).encode()


def chunk(kind: int, data: bytes, vendor: int = 0) -> bytes:
    """One HEP3 chunk."""
    return struct.pack(">HHH", vendor, kind, len(data) + 6) + data


def framed(*chunks: bytes) -> bytes:
    """A HEP3 message of these chunks."""
    body = b"".join(chunks)
    return b"HEP3" + struct.pack(">H", len(body) + 6) + body


def hep(
    payload: bytes,
    *,
    protocol: int = 1,
    at: int = AT,
    more: bytes = b"",
    transport: int = 17,
    port: int = 15080,
    agent: int = 2001,
) -> bytes:
    """A HEP3 message as Kamailio sends it; `more` holds further chunks, `port` is the source."""
    return framed(
        chunk(1, b"\x02"),
        chunk(2, bytes((transport,))),
        chunk(3, bytes((127, 0, 0, 1))),
        chunk(4, bytes((127, 0, 0, 1))),
        chunk(7, struct.pack(">H", port)),
        chunk(8, struct.pack(">H", 15060)),
        chunk(9, struct.pack(">I", at)),
        chunk(10, struct.pack(">I", 0)),
        chunk(11, bytes((protocol,))),
        chunk(12, struct.pack(">I", agent)),
        more,
        chunk(15, payload),
    )


def former(
    payload: bytes,
    *,
    version: int = 2,
    header: int = 16,
    family: int = 2,
    transport: int = 17,
    at: int = AT,
    agent: int = 2001,
    order: str = "<",
    fill: bytes = b"\0\0",
    port: int = 15080,
) -> bytes:
    """A message of HEP version 1 or 2."""
    address = bytes((127, 0, 0, 1)) if family == 2 else bytes(15) + b"\1"
    fixed = struct.pack(">BBBBHH", version, header, family, transport, port, 15060)
    time = struct.pack(f"{order}IIH", at, 0, agent) + fill if version == 2 else b""
    return fixed + address + address + time + payload


def hlog(line: str, call_id: str = "c1@caller.example", at: int = AT) -> bytes:
    """A log line of a switch's script."""
    return hep(line.encode(), protocol=100, at=at, more=chunk(17, call_id.encode()))


def expected(row: dict[str, str]) -> tuple[int, int, EventKind]:
    """Called, caller and kind of one row of a truth file of SIP traffic."""
    caller = int(row["caller_e164"] or 0)
    name = row["from_user"]
    named = not caller and name.lower() not in ("", "anonymous", "unavailable", "restricted")
    if named:
        caller = caller_of_text(name)
    message = EventKind.A2P_SMS if named else EventKind.SMS
    kind = message if row.get("method") == "MESSAGE" else EventKind.CALL
    return int(row["called_e164"]), caller, kind
