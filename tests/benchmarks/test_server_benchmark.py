"""The benchmarks of the server still run, at a size at which their figures mean nothing."""

import re
from itertools import islice
from pathlib import Path

import pytest
from feeds import make_messages
from support.benchmark_run import run

from ringfence.v1 import event_service_pb2 as events

pytestmark = pytest.mark.slow


def rows(printed: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = re.findall(r"^\| (.+) \|$", printed, re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def test_stream_benchmark_compares_with_no_journal_and_with_the_engine() -> None:
    (row,) = rows(run("stream.py", "--smoke"))
    assert row[:3] == ["1", "1", "500"]
    journalled, unjournalled = (float(cell.replace(",", "")) for cell in row[3:5])
    assert float(row[5]) == pytest.approx(journalled / unjournalled, abs=0.011)
    assert float(row[6]) > 0


def test_restart_benchmark_starts_in_every_way(tmp_path: Path) -> None:
    printed = run("restart.py", "--smoke", "--folder", str(tmp_path))
    said = {row[0]: row[-1] for row in rows(printed)}
    assert list(said) == ["living", "fresh", "half", "none"]
    assert "recovered=memory values=0 events=0 " in said["living"]
    fresh = r"recovered=snapshot-0000000000000001 values=\d events=0 "  # what a scan found
    assert re.match(fresh, said["fresh"])
    half = r"recovered=snapshot-0000000000000001 values=2\d events=10000 "
    assert re.match(half, said["half"])
    assert re.match(r"recovered=journal values=4\d events=20000 ", said["none"])
    assert not list(tmp_path.iterdir())


def test_benchmarks_send_what_protobuf_would_send() -> None:
    for size in (1, 100, 500):
        for sequence, message in enumerate(islice(make_messages(10, size, seed=1), 3)):
            batch = events.StreamEventsRequest.FromString(message)
            assert (batch.feed, batch.sequence) == ("benchmark", sequence)
            lengths = {len(batch.called), len(batch.caller), len(batch.occurred_at)}
            assert lengths == {len(batch.kind)} == {size}
            assert batch.SerializeToString() == message


def test_reserve_benchmark_reserves_in_every_way(tmp_path: Path) -> None:
    printed = run("reserve.py", "--numbers", "20000", "--times", "2", "--folder", str(tmp_path))
    assert [row[0] for row in rows(printed)] == ["1", "100", "10,000", "1"]
    assert not list(tmp_path.iterdir())


def test_benchmark_of_long_reads_has_a_row_for_each_kind(tmp_path: Path) -> None:
    options = ("--numbers", "2000", "--seconds", "0.2", "--folder", str(tmp_path))
    kinds = [row[0].split()[1] for row in rows(run("beside.py", *options))]
    assert kinds == ["checks", "check", "list", "read"]
    assert not list(tmp_path.iterdir())


def test_tap_benchmark_has_a_row_for_each_protocol(tmp_path: Path) -> None:
    printed = run("tap.py", "--frames", "400", "--folder", str(tmp_path))
    kinds = [row[0] for row in rows(printed)]
    assert kinds == ["ISUP", "MAP", "CAP", "Diameter", "SIP", "SMPP", "all"]
    assert not list(tmp_path.iterdir())


def test_fairness_benchmark_measures_beside_both_kinds_of_others(tmp_path: Path) -> None:
    printed = run("fairness.py", "--times", "2", "--small", "20", "--folder", str(tmp_path))
    assert [row[0].partition(" ")[0] for row in rows(printed)] == ["alone", "4", "20"]
    assert not list(tmp_path.iterdir())


def test_hep_benchmark_accounts_for_every_datagram(tmp_path: Path) -> None:
    printed = run("hep.py", "--smoke", "--folder", str(tmp_path))
    parts = printed.strip().split("\n\n")[1:]
    reader, rates, processes = (part.splitlines()[2:] for part in parts)
    for line in reader:
        assert all(float(cell.replace(",", "")) > 0 for cell in line.split("|")[2:-1])
    assert [line.split("|")[1].strip() for line in rates] == ["INVITE", "INVITE, reply, ACK"]
    for line in rates:
        sent, lost = (int(cell.replace(",", "")) for cell in line.split("|")[4:6])
        assert sent == 300
        assert lost <= sent
    assert [line.split("|")[1].strip() for line in processes] == ["1", "2"]
    assert not list(tmp_path.iterdir())
