"""The ends of HEP's way: IPv6, whose key is compared how, and what is said of silence."""

import hmac
import socket
import subprocess
import sys
import threading

import pytest
from support.hep_adapter import PATIENCE_S
from support.switch_traffic import AT, chunk, framed, sip

from ringfence.adapters import hep_reader
from ringfence.adapters.hep_reader import HepReader
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

TCP, UDP = 6, 17
HOME, AWAY, OTHER = (b"\x20\x01\x0d\xb8" + bytes(11) + bytes((n,)) for n in (1, 2, 3))


def over_ipv6(payload: bytes, source: bytes = HOME, *, transport: int = TCP) -> bytes:
    """As Kamailio reports it: family 10, and the addresses in chunks 5 and 6."""
    return framed(
        *(chunk(1, b"\x0a"), chunk(2, bytes((transport,))), chunk(5, source), chunk(6, AWAY)),
        *(chunk(7, b"\x13\xc4"), chunk(8, b"\x13\xc4"), chunk(9, AT.to_bytes(4)), chunk(11, b"\1")),
        *(chunk(12, b"\0\0\7\xd1"), chunk(15, payload)),
    )


def test_pieces_of_a_stream_over_ipv6_are_one_call() -> None:
    reader = HepReader(DialPlan.of_country(44))
    assert reader.read(over_ipv6(sip()[:90]), AT) == []
    assert len(reader.read(over_ipv6(sip()[90:]), AT)) == 1
    assert (reader.lost(), reader.waits_since) == ([], None)


def test_pieces_of_two_streams_over_ipv6_are_none() -> None:
    reader = HepReader(DialPlan.of_country(44))
    assert reader.read(over_ipv6(sip()[:90]), AT) == []
    assert reader.read(over_ipv6(sip()[90:], OTHER), AT) == []
    assert reader.lost() or reader.waits_since is not None


def test_leg_of_a_call_over_ipv6_is_known_by_its_addresses() -> None:
    again, leg = sip(call_id="c2"), sip(call_id="c3")
    reader = HepReader(DialPlan.of_country(44))
    assert len(reader.read(over_ipv6(sip(), transport=UDP), AT)) == 1
    assert len(reader.read(over_ipv6(again, transport=UDP), AT)) == 1, "the same way: a second try"
    assert reader.read(over_ipv6(leg, OTHER, transport=UDP), AT) == [], "another way: one more leg"


@pytest.mark.parametrize("key", [b"s3cr3t", b"s3cr3", b"t3cr3t", b"", b"\xff"])
def test_key_is_compared_in_the_same_time_wherever_it_differs(
    key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(theirs: bytes, ours: bytes) -> bool:
        compared.append((theirs, ours))
        return hmac.compare_digest(theirs, ours)

    class Watched:
        """What the reader uses of hmac."""

    Watched.compare_digest = staticmethod(compare_digest)  # type: ignore[attr-defined]
    monkeypatch.setattr(hep_reader, "hmac", Watched)
    reader = HepReader(DialPlan.of_country(44), auth_key="s3cr3t")
    keyed = framed(chunk(14, key), chunk(11, b"\1"), chunk(9, AT.to_bytes(4)), chunk(15, sip()))
    assert len(reader.read(keyed, AT)) == (key == b"s3cr3t")
    assert set(compared) == {(key, b"s3cr3t")}, "and in no other way"


AFTER_A_MOMENT = """
from ringfence.adapters import first_hint
from ringfence.__main__ import run
first_hint.hint_after_a_while.__kwdefaults__["wait_s"] = 0.2
run()
"""


@pytest.mark.slow
def test_command_says_after_a_while_that_nothing_arrives_over_ipv6() -> None:
    arguments = ("adapter", "hep", "--feed", "sip-1", "--country", "44", "--listen", "[::1]:0")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        with subprocess.Popen(
            [sys.executable, "-c", AFTER_A_MOMENT, *arguments, "--server", server],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            (listen,) = [
                word.removeprefix("listen=")
                for word in process.stdout.readline().split()
                if word.startswith("listen=")
            ]
            assert parse_address(listen)[0] == "::1"
            bound = threading.Timer(PATIENCE_S, process.kill)
            bound.start()
            line = "-"
            while line and "nothing has arrived" not in line:
                line = process.stderr.readline()
            bound.cancel()
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
    assert line.startswith("ringfence adapter hep: after 0.2 s nothing has arrived: ")
