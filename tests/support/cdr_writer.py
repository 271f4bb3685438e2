"""A switch that writes call detail records, rotates them and is given its time; and the truth."""

from __future__ import annotations

import gzip
import os
import time
from collections import Counter
from pathlib import Path

from ringfence import EventKind

NUMBERS = range(447700900000, 447700901000)
CALLERS = range(441632960000, 441632960999 + 1)
CALL = int(EventKind.CALL)
Event = tuple[int, int, int, int]


def moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def asterisk(called: int, caller: int, at: int, call: int, channel: int = 0) -> bytes:
    """A line of Master.csv with unique and linked id; a call has one record for each channel."""
    name = f"{at}.{call}{channel}"
    linked = f"{at - channel}.{call}0"
    return (
        f'"","+{caller}","+{called}","in","","PJSIP/a-{call}","","Hangup","1","{moment(at)}",,'
        f'"{moment(at + 2)}",2,0,"NO ANSWER","DOCUMENTATION","{name}","","","{linked}",{call}\n'
    ).encode()


def freeswitch_json(called: int, caller: int, at: int, call: int) -> bytes:
    """A file of mod_json_cdr."""
    return (
        f'{{"variables":{{"uuid":"u-{call}","start_epoch":"{at}"}},"callflow":[{{"caller_profile":'
        f'{{"caller_id_number":"+{caller}","destination_number":"+{called}"}}}}]}}'
    ).encode()


def kamailio(called: int, caller: int, at: int, call: int) -> bytes:
    """A row of `acc`."""
    return f"INVITE,tag-{call},id-{call},404,+{called},+{caller},{at}\n".encode()


KAMAILIO_HEAD = b"method,from_tag,callid,sip_code,called,caller,time_attr\n"


class CdrWriter:
    """Writes one file of records, as a switch and a log rotation do."""

    def __init__(self, path: Path, began_at: int) -> None:
        self.path = path
        self.now = began_at
        self.truth: Counter[Event] = Counter()
        self._calls = 0
        self._pending = b""
        self._held: list[bytes] = []

    def call(self, legs: int = 1) -> list[bytes]:
        """The records of one more call, of which the first is the event."""
        called, caller = NUMBERS[self._calls % 1_000], CALLERS[self._calls % 1_000]
        self.now += 1
        self.truth[called, caller, self.now, CALL] += 1
        self._calls += 1
        return [asterisk(called, caller, self.now + leg, self._calls, leg) for leg in range(legs)]

    def write(self, *records: bytes) -> None:
        """Appends to the file, as Asterisk does: it is opened for each record."""
        for record in records:
            with self.path.open("ab") as file:
                file.write(self._pending + record)
            self._pending = b""

    def tear(self, record: bytes, at: int) -> None:
        """Writes the beginning of a record; the next write has the rest."""
        with self.path.open("ab") as file:
            file.write(self._pending + record[:at])
        self._pending = record[at:]

    @property
    def is_torn(self) -> bool:
        """Whether a record is half written."""
        return bool(self._pending)

    def rotate(self, *, packed: bool = False, keep: int = 8) -> None:
        """As logrotate does: numbers go up, and the oldest goes."""

        def name(number: int) -> list[Path]:
            return [self.path.with_name(f"{self.path.name}.{number}{end}") for end in ("", ".gz")]

        for path in name(keep):
            path.unlink(missing_ok=True)
        for number in range(keep - 1, 0, -1):
            for before, after in zip(name(number), name(number + 1), strict=True):
                if before.exists():
                    before.rename(after)
        if self.path.exists():
            first, _ = name(1)
            self.path.rename(first)
            if packed:
                pack(first)

    def copy_and_cut(self) -> None:
        """As logrotate does with `copytruncate`."""
        copy = self.path.with_name(f"{self.path.name}.{time.time_ns()}")
        copy.write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)


def pack(path: Path) -> Path:
    """As gzip does: another file, with the times of the first, which goes."""
    packed = path.with_name(f"{path.name}.gz")
    facts = path.stat()
    packed.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(packed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    path.unlink()
    return packed
