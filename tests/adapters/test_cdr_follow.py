"""Files of records that are followed while they are written, rotated, packed: each counts once."""

import gzip
import io
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.cdr_writer import (
    CALL,
    CALLERS,
    KAMAILIO_HEAD,
    NUMBERS,
    CdrWriter,
    asterisk,
    freeswitch_json,
    kamailio,
    pack,
)
from support.followed_cdr import LONGEST_CALL_S, PLAN, Followed, time_of_files
from support.places import ROOT
from support.run_seed import run_seed

from ringfence.adapters.cdr.follow.files import Followed as Waiting
from ringfence.adapters.cdr.follow.place import HEAD_MAX, Place
from ringfence.adapters.cdr.follow.state import State, facts_of, read_state
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.event_table import Passed

NOW = int(time_of_files()) - 10_000
SEEDS = [run_seed() + number for number in range(12)]


@pytest.fixture
def writer(tmp_path: Path) -> CdrWriter:
    return CdrWriter(tmp_path / "Master.csv", NOW)


@pytest.fixture
def followed(writer: CdrWriter) -> Followed:
    return Followed([writer.path], NOW + 10_000)


def once(truth: Counter) -> Counter:
    return Counter(dict.fromkeys(truth, 1))


def test_a_line_that_is_being_written_is_waited_for(writer: CdrWriter, followed: Followed) -> None:
    writer.write(*writer.call())
    followed.look()
    heard = followed.follower.heard_until
    assert heard == followed.now
    (record,) = writer.call()
    writer.tear(record, 40)
    followed.look()
    assert followed.follower.heard_until == heard, "as of then there was no beginning of it"
    assert sum(followed.sink.events.values()) == 1
    writer.write(b"")
    followed.look()
    assert followed.sink.events == writer.truth
    assert followed.follower.heard_until == followed.now
    assert followed.sink.lost == []


def test_a_line_that_stays_torn_is_lost_time(writer: CdrWriter, followed: Followed) -> None:
    writer.write(*writer.call())
    followed.look()
    heard = followed.follower.heard_until
    writer.tear(writer.call()[0], 40)
    os.utime(writer.path, (NOW, NOW))
    for _ in range(61):
        followed.look()
    assert followed.sink.lost == [(int(heard) - LONGEST_CALL_S, int(followed.now) + 1)] * 2
    assert followed.follower.tally["note_torn"] == 1
    assert followed.follower.tally["record_columns"] + followed.follower.tally["record_quotes"] == 1
    assert followed.follower.heard_until == followed.now
    assert "441632960" not in "".join(followed.said)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_the_rest_of_a_rotated_file_is_read_first(
    writer: CdrWriter, followed: Followed, tmp_path: Path, *, packed: bool, again: bool
) -> None:
    writer.write(*writer.call(), *writer.call())
    followed.look()
    followed.keep()
    writer.write(*writer.call())
    if again:
        followed.begin_again(tmp_path)
    holds_open = not again and packed
    writer.rotate(packed=packed)
    writer.path.write_bytes(b"")
    writer.write(*writer.call())
    followed.look()
    assert followed.sink.events == writer.truth, holds_open
    followed.look()
    assert followed.sink.events == writer.truth
    cut = [said for said in followed.said if "cut or written over" in said]
    assert len(followed.sink.lost) == len(cut), followed.said
    assert not cut or (again and packed), "its inode was free, and may be that of the new file"


def test_a_rotated_file_may_be_written_to_for_a_while(
    writer: CdrWriter, followed: Followed
) -> None:
    writer.write(*writer.call())
    followed.look()
    with writer.path.open("ab") as held_open:
        writer.rotate()
        writer.write(*writer.call())
        followed.look()
        held_open.write(*writer.call())
    followed.look()
    assert followed.sink.events == writer.truth
    assert followed.sink.lost == []


def test_a_file_that_was_removed_is_read_to_its_end_all_the_same(
    writer: CdrWriter, followed: Followed
) -> None:
    writer.write(*writer.call())
    followed.look()
    writer.write(*writer.call())
    writer.path.unlink()
    followed.look()
    assert followed.sink.events == writer.truth
    followed.look(2_000)  # its last stamp is the kernel's, which a slow machine has seen go on
    assert followed.sink.lost == []
    assert followed.files.followed == []


def test_what_was_cut_is_read_anew_and_is_lost_time(writer: CdrWriter, followed: Followed) -> None:
    for _ in range(3):
        writer.write(*writer.call())
    followed.look()
    heard = followed.now
    writer.write(*writer.call())
    writer.copy_and_cut()
    writer.write(*writer.call())
    followed.look()
    assert followed.sink.events == writer.truth, "the copy had what was not read"
    assert followed.sink.lost == [(int(heard) - LONGEST_CALL_S, int(followed.now) + 1)]
    for _ in range(5):  # as long as before: only what stands there tells
        writer.write(*writer.call())
    followed.look()
    assert followed.sink.events == writer.truth


def test_a_file_that_is_gone_after_a_restart_is_lost_time(
    writer: CdrWriter, followed: Followed, tmp_path: Path
) -> None:
    writer.write(*writer.call())
    writer.rotate()
    writer.write(*writer.call())
    followed.look()
    followed.keep()
    writer.path.with_name("Master.csv.1").unlink()
    followed.begin_again(tmp_path)
    followed.look()
    assert followed.sink.lost == [], "the older one was full"
    followed.keep()
    writer.path.unlink()
    followed.begin_again(tmp_path)
    followed.look()
    assert len(followed.sink.lost) == 1
    assert "was written to before" in followed.said[-1]


def test_a_file_that_cannot_be_read_is_told_tried_again_and_given_up(
    writer: CdrWriter, followed: Followed
) -> None:
    broken = writer.path.with_name("Master.csv.2.gz")
    broken.write_bytes(gzip.compress(b"".join(writer.call()))[:-9])
    writer.write(*writer.call())
    followed.look()
    heard = followed.follower.heard_until
    assert "Master.csv.2.gz: the file is damaged or cut off" in followed.said[0]
    followed.look(599)
    assert followed.follower.heard_until == heard
    assert followed.sink.lost == []
    followed.look(1)
    assert followed.sink.lost == [(int(heard) - LONGEST_CALL_S, int(followed.now) + 1)]
    assert followed.follower.heard_until == followed.now
    assert len([said for said in followed.said if "tried again" in said]) == 1
    whole = CdrWriter(writer.path, NOW)
    broken.write_bytes(gzip.compress(b"".join(whole.call())))
    followed.look()
    assert followed.sink.events == writer.truth


def test_a_folder_that_is_not_there_costs_no_time_when_it_comes_back(
    writer: CdrWriter, followed: Followed, tmp_path: Path
) -> None:
    folder = tmp_path / "cdr"
    folder.mkdir()
    writer.path = folder / "Master.csv"
    followed = Followed([folder], NOW + 10_000)
    writer.write(*writer.call())
    followed.look()
    heard = followed.follower.heard_until
    folder.rename(tmp_path / "away")
    followed.look(500)
    assert followed.follower.heard_until == heard
    assert "No such file or directory" in followed.said[-1]
    (tmp_path / "away").rename(folder)
    writer.write(*writer.call())
    followed.look()
    assert followed.follower.heard_until == followed.now
    assert followed.sink.events == writer.truth
    assert followed.sink.lost == []


def test_further_records_of_a_call_are_known_after_a_restart(
    writer: CdrWriter, followed: Followed, tmp_path: Path
) -> None:
    first, second, third = writer.call(legs=3)
    writer.write(first)
    followed.look()
    followed.keep()
    writer.write(second)
    followed.begin_again(tmp_path)
    followed.look()
    assert followed.sink.events == writer.truth
    followed.keep()
    writer.rotate(packed=True)
    writer.write(third)
    followed.begin_again(tmp_path)
    followed.look()
    assert followed.sink.events == writer.truth
    assert followed.follower.tally["repeat"] == 1


def test_files_of_one_call_each_are_read_once_and_few_are_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "json"
    (folder / "2026-12-03-00-00-00").mkdir(parents=True)
    followed = Followed([folder], NOW, format_="freeswitch-json", files_max=20)
    truth: Counter = Counter()
    for call in range(120):
        called, caller, at = NUMBERS[call], CALLERS[call], NOW - 5_000 + call
        sub = "2026-12-03-00-00-00/" if call % 3 else ""
        (folder / f"{sub}{call}.cdr.json").write_bytes(freeswitch_json(called, caller, at, call))
        truth[called, caller, at, CALL] += 1
        if call % 10 == 9:
            followed.now = os.stat(folder / f"{sub}{call}.cdr.json").st_ctime + 61
            followed.look()
    assert followed.sink.events == truth
    assert len(followed.files.followed) == 20
    followed.keep()
    followed.begin_again(tmp_path)
    followed.look()
    assert followed.sink.events == truth
    assert followed.sink.lost == []


@pytest.mark.slow
def test_what_is_kept_of_very_many_files_that_wait_is_read_again(tmp_path: Path) -> None:
    waiting = [
        Waiting(tmp_path / "a-folder-of-records" / f"{number}.cdr.json", (1, number), Place())
        for number in range(100_000)
    ]
    at = tmp_path / "state"
    at.write_text(State("f", "freeswitch-json", 1, 1, 0, facts_of(waiting)).text())
    left = read_state(at, "f", "freeswitch-json")
    assert left is not None and len(left.followed()) == 100_000


def test_an_object_over_many_lines_and_without_an_end_of_line_is_waited_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "calls.json"
    followed = Followed([path], NOW, format_="freeswitch-json")
    one = freeswitch_json(NUMBERS[0], CALLERS[0], NOW - 9, 1).replace(b",", b",\n  ")
    two = freeswitch_json(NUMBERS[1], CALLERS[1], NOW - 8, 2)
    written = one + b"\n\n" + two
    for octets in range(len(written) + 1):
        path.write_bytes(written[:octets])
        followed.look()
        whole = (octets >= len(one)) + (octets >= len(written))
        assert sum(followed.sink.events.values()) == whole, octets
    assert followed.sink.lost == []


def test_a_record_over_lines_is_not_cut_in_two(writer: CdrWriter, followed: Followed) -> None:
    (record,) = writer.call()
    over_lines = record.replace(b"Hangup", b"Hang\n up")
    following = writer.call()
    written = over_lines + b"".join(following)
    for octets in range(0, len(written) + 1):
        writer.path.write_bytes(written[:octets])
        followed.look(0.1)
        whole = (octets >= len(over_lines)) + (octets >= len(written))
        assert followed.sink.events.total() == whole, octets
    assert followed.sink.events == writer.truth
    assert followed.sink.lost == []


def test_a_line_that_was_torn_holds_up_few_behind_it(writer: CdrWriter, followed: Followed) -> None:
    (record,) = writer.call()
    writer.truth.clear()
    writer.path.write_bytes(record[:80] + b"\n")
    assert record.count(b'"', 0, 80) % 2
    for _ in range(7):
        writer.write(*writer.call())
    followed.look()
    assert followed.sink.events == writer.truth
    assert len(followed.sink.lost) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_in_ber_is_read_as_a_whole_when_it_is_written(
    tmp_path: Path, *, packed: bool
) -> None:
    octets = (ROOT / "tests/data/switch/cdr/ts32298_cs_sample.ber").read_bytes()
    folder = tmp_path / "cdr"
    folder.mkdir()
    path = folder / "calls.ber"
    followed = Followed([folder], time_of_files(), format_="ts32298")
    path.write_bytes(octets[:9_000])
    followed.look(1)
    heard = followed.follower.heard_until
    path.write_bytes(octets)
    if packed:
        pack(path)
    followed.look(8)
    assert followed.sink.events.total() == 0
    assert followed.follower.heard_until == heard
    followed.look(11)
    followed.look(1)
    reader = CdrReader(FORMATS["ts32298"](Forms()), PLAN, latest=2**32)
    rows = [row for _, row in reader(io.BytesIO(octets), NoRejects(), 0)]
    assert followed.sink.events == Counter(row for row in rows if not isinstance(row, Passed))
    assert followed.sink.events.total() > 100
    assert followed.follower.heard_until == followed.now
    followed.keep()
    followed.begin_again(tmp_path)
    before = followed.sink.events.copy()
    followed.look(30)
    assert followed.sink.events == before
    assert followed.sink.lost == []


class NoRejects:
    def add(self, *_: object) -> None:
        raise AssertionError("each record can be read")


def test_a_header_is_known_when_one_goes_on_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "acc.csv"
    followed = Followed([path], NOW, format_="kamailio")
    path.write_bytes(KAMAILIO_HEAD[:20])
    followed.look()
    path.write_bytes(KAMAILIO_HEAD)
    followed.look()
    truth: Counter = Counter()
    for call in range(6):
        with path.open("ab") as file:
            file.write(b"" if file.tell() else KAMAILIO_HEAD)
            file.write(kamailio(NUMBERS[call], CALLERS[call], NOW - 99 + call, call))
        truth[NUMBERS[call], CALLERS[call], NOW - 99 + call, CALL] += 1
        followed.look()
        followed.keep()
        followed.begin_again(tmp_path)
        followed.look()
        if call == 2:
            pack(path)
    assert followed.sink.events == truth
    assert followed.sink.lost == []


def test_two_files_that_begin_alike_are_two(tmp_path: Path) -> None:
    """FreeSWITCH writes a record to Master.csv, and to the file of its account too."""
    master, account = tmp_path / "Master.csv", tmp_path / "1000.csv"
    followed = Followed([tmp_path], NOW)
    records = [asterisk(NUMBERS[n], CALLERS[n], NOW - 99 + n, n) for n in range(6)]
    master.write_bytes(records[0])
    followed.look()
    account.write_bytes(records[0])
    followed.look()
    for number in (1, 2, 3):
        with (master if number % 2 else account).open("ab") as file:
            file.write(records[number])
        followed.look()
    wanted = {(NUMBERS[n], CALLERS[n], NOW - 99 + n, CALL) for n in range(4)}
    assert set(followed.sink.events) == wanted
    assert followed.sink.events.total() == 4


def test_two_files_that_go_apart_later_are_two(tmp_path: Path) -> None:
    followed = Followed([tmp_path], NOW)
    records = [asterisk(NUMBERS[n], CALLERS[n], NOW - 99 + n, n) for n in range(11)]
    alike = b"".join(records[:8])
    assert len(alike) > HEAD_MAX
    (tmp_path / "a.csv").write_bytes(alike + records[8])
    followed.look()
    (tmp_path / "b.csv").write_bytes(alike + records[9] + records[10])
    followed.look()
    assert {called for called, *_ in followed.sink.events} == set(NUMBERS[:11])
    assert followed.sink.events.total() == 11


def test_only_files_of_a_pattern_and_what_they_were_rotated_to_are_read(tmp_path: Path) -> None:
    names = ["a.csv", "a.csv.1", "a-20261203.csv.gz", "a.csv-20261203", "b.log", ".c.csv"]
    names += ["a.rejects.csv"]
    for number, name in enumerate(names):
        record = asterisk(NUMBERS[number], CALLERS[number], NOW - 99 + number, number)
        (tmp_path / name).write_bytes(gzip.compress(record) if ".gz" in name else record)
    followed = Followed([tmp_path], NOW, pattern="*.csv")
    followed.look()
    assert {called for called, *_ in followed.sink.events} == set(NUMBERS[:4])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_record_is_an_event_once_whatever_happens_to_the_files(
    seed: int, tmp_path: Path
) -> None:
    """Writes, torn writes, rotations, packing, removals, and restarts from what was kept."""
    chance = random.Random(seed)
    print(f"seed={seed}")
    writer = CdrWriter(tmp_path / "Master.csv", NOW)
    followed = Followed([tmp_path if seed % 2 else writer.path], NOW + 10_000)
    killed = False
    for _ in range(80):
        step = chance.choices(
            ("write", "legs", "tear", "rotate", "pack", "copy", "look", "keep", "kill", "end"),
            (20, 10, 8, 4, 4, 2, 25, 15, 4, 4),
        )[0]
        if step == "write":
            writer.write(*writer.call())
        elif step == "legs":
            writer.write(*writer.call(legs=chance.randint(2, 3)))
        elif step == "tear":
            (record,) = writer.call()
            writer.tear(record, chance.randrange(len(record)))
        elif step in {"rotate", "pack"} and not writer.is_torn:
            writer.rotate(packed=step == "pack", keep=99)
        elif step == "copy" and writer.path.exists() and not writer.is_torn:
            writer.copy_and_cut()
        elif step == "look":
            followed.look(0.5)
        elif step == "keep":
            followed.keep()
        elif step in {"kill", "end"}:
            if step == "end":
                followed.keep()
            killed = killed or step == "kill"
            followed.begin_again(tmp_path)
    writer.write(b"")
    followed.look()
    followed.look()
    assert set(followed.sink.events) == set(writer.truth)
    if not killed and "cut or written over" not in "".join(followed.said):
        assert followed.sink.events == writer.truth
    shutil.rmtree(tmp_path)
