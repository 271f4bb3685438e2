"""An import that was cut off between two files knows the calls of the first one when it goes on."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from support.cdr_follower import events_at, times_of
from support.cdr_writer import NUMBERS, CdrWriter
from support.followed_cdr import PLAN
from support.server_process import ServerProcess

from ringfence import Client, EventStream
from ringfence.adapters import event_files
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.event_files import Sent, send_files

pytestmark = pytest.mark.slow

NOW = int(time.time())


class Killed(Exception):
    """The end of the run."""


class NoRejects:
    def add(self, *_: object) -> None:
        raise AssertionError("each record can be read")


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], NoRejects]]:
    with path.open("rb") as file:
        yield file, NoRejects()


def run(address: str, files: list[Path], begin: Sent, *, ends_at: int) -> Sent:
    """Sends from `begin` on; how far it was when it was killed behind so many files."""
    noted = begin

    def done(sent: Sent) -> None:
        nonlocal noted
        noted = replace(sent)
        if sent.file == ends_at:
            raise Killed

    reader = CdrReader(FORMATS["asterisk"](Forms()), PLAN, latest=NOW)
    stream = EventStream(address, "cdr-1", claims=False)
    sending = send_files(
        files,
        reader,
        stream,
        begin=begin,
        opens=opened,
        done=done,
        patience_s=30.0,
        remember=reader.remember,
    )
    with pytest.raises(Killed):
        asyncio.run(sending)
    return noted


def test_legs_of_a_call_in_two_files_are_one_event_when_the_run_was_cut_off_between_them(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "PART_S", 0.0)  # each file is one worth a note of its own
    writer = CdrWriter(tmp_path / "unused", NOW - 1_000)
    first, second, third = writer.call(legs=3)
    files = [tmp_path / name for name in ("Master.csv.1", "Master.csv.2", "Master.csv.3")]
    for path, record in zip(files, (first, second, third), strict=True):
        path.write_bytes(record + b"".join(writer.call()))
    with Client(server.address) as client:
        client.quarantine_numbers(NUMBERS, quarantined_at=NOW - 86_400)
        begin = Sent()
        for file in (1, 2, 3):
            begin = run(server.address, files, begin, ends_at=file)
        assert begin.rows == 6
        assert events_at(client, NUMBERS[:9]) == times_of(writer.truth)


def test_many_small_files_are_not_noted_one_by_one(server: ServerProcess, tmp_path: Path) -> None:
    writer = CdrWriter(tmp_path / "unused", NOW - 1_000)
    files = [tmp_path / f"{number:04}.csv" for number in range(300)]
    for path in files:
        path.write_bytes(b"".join(writer.call()))
    notes: list[Sent] = []
    reader = CdrReader(FORMATS["asterisk"](Forms()), PLAN, latest=NOW)
    sent = asyncio.run(
        send_files(
            files,
            reader,
            EventStream(server.address, "cdr-1", claims=False),
            begin=Sent(),
            opens=opened,
            done=lambda sent: notes.append(replace(sent)),
            patience_s=30.0,
        )
    )
    assert (sent.file, sent.rows) == (300, 300)
    assert sent.accepted + sent.untracked == 300
    assert notes[-1] == sent
    assert len(notes) < 100
