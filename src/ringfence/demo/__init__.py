"""The demo: a real server, a real adapter and a switch's real traffic, in under a minute.

A server runs in a temporary folder, a thousand numbers go into quarantine with dates in the past,
and a capture of a real switch is sent to the real HEP adapter, its times moved so that it ends now.
Then the demo shows what an operator wants to see. Nothing is left behind.
"""

import re
import socket
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from ringfence import Client, RingfenceError, Verdict
from ringfence.demo.capture import ending_at, shipped_capture
from ringfence.demo.process import DemoFailed, running, stopped_in_order
from ringfence.demo.report import (
    show_beginning,
    show_end,
    show_hand_out,
    show_number,
    show_step,
    show_verdicts,
)
from ringfence.server.config.address import parse_address

FIRST, COUNT = 447700900000, 1_000
YOUNG = 100  # the last so many are younger than the default policy's minimum age
OLD_DAYS, YOUNG_DAYS = 100, 60
RESERVED = 3
EXPLAINED = 447700900123  # called five times by the same caller
CAPACITY_NUMBERS = 2_000  # 16 MB of shared memory; containers often have no more than 64
ADAPTER_S = 20.0
DAY_S = 86_400


def run_demo(console: Console) -> None:
    """Runs the demo and prints it; raises DemoFailed, and cleans up whatever happens."""
    began = time.monotonic()
    show_beginning(console)
    try:
        with (
            stopped_in_order(),
            TemporaryDirectory(prefix="ringfence-demo-") as name,
            console.status("running"),
        ):
            _run(console, Path(name))
    except RingfenceError as error:
        raise DemoFailed(f"the demo's server answered: {error}") from error
    show_end(console, time.monotonic() - began)


def _run(console: Console, folder: Path) -> None:
    with running(
        "server",
        folder / "server.log",
        *("serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0"),
        *("--workers", "2", "--capacity", str(CAPACITY_NUMBERS)),
    ) as server:
        address = _address(server.wait_for_line("ringfence ready"))
        show_step(console, "server", f"ready on {address}: a keeper and two workers")
        with (
            running(
                "adapter",
                folder / "adapter.log",
                *("adapter", "hep", "--listen", "127.0.0.1:0", "--server", address),
                *("--feed", "demo-switch", "--country", "44"),
            ) as adapter,
            Client(address) as client,
        ):
            _quarantine(client)
            show_step(
                console,
                "quarantine",
                f"+{FIRST} to +{FIRST + COUNT - 1}: {COUNT - YOUNG} for {OLD_DAYS} days,"
                f" {YOUNG} for {YOUNG_DAYS}",
            )
            sent = _replay(_address(adapter.wait_for_line("")))
            adapter.stop()
            events = client.get_status().events_total
            show_step(
                console,
                "traffic",
                f"{sent:,} HEP messages of a Kamailio: {events:,} calls and messages",
            )
            counts = _counts(client)
            noisy = [
                client.get_number(listed.number)
                for listed in client.list_numbers(verdicts=[Verdict.NOISY])
            ]
            show_verdicts(console, counts, noisy)
            show_number(console, client.get_number(EXPLAINED))
            reservation = client.reserve_numbers("default", RESERVED)
            given = client.confirm_reservation(reservation.id)
            show_hand_out(console, given.numbers, counts[Verdict.CLEAN])
        server.stop()


def _address(line: str) -> str:
    """The HOST:PORT that a ready line names."""
    found = re.search(r"127\.0\.0\.1:[0-9]+", line)
    if found is None:
        raise DemoFailed(f"no address in {line.strip()!r}")
    return found[0]


def _quarantine(client: Client) -> None:
    now = int(time.time())
    since = np.full(COUNT, now - OLD_DAYS * DAY_S)
    since[-YOUNG:] = now - YOUNG_DAYS * DAY_S
    result = client.quarantine_numbers(
        np.arange(FIRST, FIRST + COUNT), quarantined_at=since, observed_since=since
    )
    if result.accepted != COUNT:
        raise DemoFailed(f"quarantined: numbers={result.accepted}, expected={COUNT}")


def _replay(adapter: str) -> int:
    """Sends the capture to the adapter; returns how many messages, when all have been read."""
    messages = ending_at(shipped_capture(), int(time.time()))
    with socket.create_connection(parse_address(adapter), ADAPTER_S) as connection:
        connection.sendall(b"".join(messages))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # the adapter closes its side when it has read everything
    return len(messages)


def _counts(client: Client) -> Counter[Verdict]:
    checked = client.check_numbers(range(FIRST, FIRST + COUNT))
    return Counter(number.verdict for number in checked)
