"""Folders that are followed: linked, moved there, listed while the clock jumps; odd headers."""

import os
from collections import Counter
from pathlib import Path

import pytest
from support.cdr_writer import (
    CALL,
    CALLERS,
    KAMAILIO_HEAD,
    NUMBERS,
    asterisk,
    kamailio,
)
from support.followed_cdr import Followed, time_of_files

from ringfence.adapters.cdr.follow.state import State, facts_of, read_state
from ringfence.adapters.state_keeper import StateError

NOW = int(time_of_files()) - 10_000


def write(path: Path, call: int, truth: Counter) -> float:
    """A file of one record; when it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(asterisk(NUMBERS[call], CALLERS[call], NOW + call, call))
    truth[NUMBERS[call], CALLERS[call], NOW + call, CALL] += 1
    return os.stat(path).st_ctime


def test_a_link_to_a_folder_is_gone_along_once_and_not_in_circles(tmp_path: Path) -> None:
    truth: Counter = Counter()
    write(tmp_path / "elsewhere" / "Master.csv", 1, truth)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path)
    (tmp_path / "cdr").mkdir()
    for name in ("node-1", "node-2"):
        (tmp_path / "cdr" / name).symlink_to(tmp_path / "elsewhere")
    followed = Followed([tmp_path / "cdr"], NOW + 1_000)
    followed.look()
    assert followed.sink.events == truth
    write(tmp_path / "elsewhere" / "Other.csv", 2, truth)
    followed.look()
    assert followed.sink.events == truth
    assert followed.said == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_folder_that_is_moved_there_brings_files_older_than_what_was_read(
    tmp_path: Path, restarted: bool
) -> None:
    truth: Counter = Counter()
    write(tmp_path / "made" / "deeper" / "old.csv", 0, truth)
    folder = tmp_path / "cdr"
    written = [write(folder / f"{call}.csv", call, truth) for call in range(1, 9)]
    followed = Followed([folder], written[-1] + 61, files_max=2)
    followed.look()
    followed.look()
    assert followed.files.read_before > os.stat(tmp_path / "made/deeper/old.csv").st_ctime_ns
    followed.keep()
    (tmp_path / "made").rename(folder / "day")
    if restarted:
        followed.begin_again(tmp_path)
    followed.look()
    followed.look()
    assert followed.sink.events == truth
    assert followed.sink.lost == []


def test_a_clock_that_was_put_back_hides_no_file(tmp_path: Path) -> None:
    truth: Counter = Counter()
    folder = tmp_path / "cdr"
    written = [write(folder / f"{call}.csv", call, truth) for call in range(8)]
    followed = Followed([folder], written[-1] + 3_661, files_max=2)
    followed.look()
    followed.look()
    # The kernel's clock stays as it is: what it showed before is put ahead instead.
    followed.files.read_before += 3_600 * 10**9
    followed.now -= 3_600
    write(folder / "new.csv", 9, truth)
    followed.look()
    assert Counter(dict.fromkeys(followed.sink.events, 1)) == truth
    assert followed.said == ["the clock was put back: what was read before is read again"]


def test_blank_lines_in_front_of_a_header_are_no_header(tmp_path: Path) -> None:
    path = tmp_path / "acc.csv"
    path.write_bytes(b"\n \r\n" + KAMAILIO_HEAD + kamailio(NUMBERS[0], CALLERS[0], NOW, 1))
    followed = Followed([path], NOW + 1_000, format_="kamailio")
    followed.look()
    for call in (1, 2):
        with path.open("ab") as file:
            file.write(kamailio(NUMBERS[call], CALLERS[call], NOW + call, 1 + call))
        followed.keep()
        followed.begin_again(tmp_path)
        followed.look()
    assert sum(followed.sink.events.values()) == 3
    assert followed.said == []


@pytest.mark.parametrize("value", [-1, 2**63, 10**30])
@pytest.mark.parametrize("place", [7, 8, 10, 12])
def test_places_that_no_file_has_are_no_state(tmp_path: Path, place: int, value: int) -> None:
    followed = Followed([tmp_path / "Master.csv"], NOW + 1_000)
    write(tmp_path / "Master.csv", 1, Counter())
    followed.look()
    (facts,) = facts_of(followed.files.followed)
    at = tmp_path / "state"
    at.write_text(State("f", "asterisk", 1, 1, 0, (facts,)).text())
    assert read_state(at, "f", "asterisk") is not None
    changed = (*facts[:place], value, *facts[place + 1 :])
    at.write_text(State("f", "asterisk", 1, 1, 0, (changed,)).text())
    with pytest.raises(StateError, match="is not a state of this adapter"):
        read_state(at, "f", "asterisk")
