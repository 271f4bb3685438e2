"""Commands name what was not clean, who serves a folder, and what of a list is not shown."""

import os
import time
from collections.abc import Callable

from support.command_line import Ringfence
from support.server_process import ServerProcess

from ringfence import Client, Event, EventKind, Pool

DAY_S = 86_400


def test_reserve_names_each_number_that_is_not_clean_and_why(
    ringfence: Ringfence, client: Client, fresh_numbers: Callable[[int], list[int]]
) -> None:
    clean, noisy, held, young, unknown = fresh_numbers(5)
    since = int(time.time()) - 200 * DAY_S
    client.quarantine_numbers([clean, noisy, held], quarantined_at=since, observed_since=since)
    client.quarantine_numbers([young])
    client.hold_numbers([held])
    called = [
        Event(noisy, 441632960123, int(time.time()) - n * DAY_S, EventKind.CALL) for n in (1, 2)
    ]
    client.record_events("test", called)
    numbers = [f"+{number}" for number in (clean, noisy, held, young, unknown)]
    result = ringfence("reserve", "default", *numbers, code=1)
    first, *lines = result.stderr.splitlines()
    assert first == "Error: 4 numbers are not clean"
    assert [line.partition(";")[0] for line in lines] == [
        f"  +{noisy}  NOISY: more reached it than its policy allows",
        f"  +{held}  HELD: an operator holds it",
        f"  +{young}  AGING: not long enough in quarantine",
        f"  +{unknown}  UNTRACKED: not in quarantine",
    ]
    assert lines[0].endswith(", if it stays silent and is listened to")
    assert "CLEAN" in ringfence("check", f"+{clean}").stdout


def test_reserve_names_a_number_of_another_pool(
    ringfence: Ringfence, client: Client, fresh_numbers: Callable[[int], list[int]]
) -> None:
    (number,) = fresh_numbers(1)
    client.put_pool(Pool("elsewhere", "default"))
    client.quarantine_numbers([number], pool="elsewhere")
    result = ringfence("reserve", "default", f"+{number}", code=4)
    assert result.stderr == f"Error: +{number} is in another pool than default\n"


def test_a_folder_that_is_served_is_not_verified(
    server: ServerProcess, ringfence: Ringfence
) -> None:
    result = ringfence("data", "verify", str(server.data), code=4)
    pid = server.ready_line.partition("pid=")[2].split()[0]
    assert result.stderr.startswith(f"Error: {server.data} is served by pid {pid}, ")
    assert result.stdout == ""
    os.kill(int(pid), 0)  # it does not mind


def test_a_long_list_is_cut_and_says_so(ringfence: Ringfence, client: Client) -> None:
    numbers = range(999000000000, 999000001002)
    client.quarantine_numbers(numbers)
    for command in ("numbers", "history"):
        pool = ("--pool", "default")
        cut = ringfence(command, *pool, "--json")
        assert len(cut.stdout.splitlines()) == 1_000
        assert cut.stderr == (
            "only the first 1,000 are listed; there are more: --limit N or --all\n"
        )
        assert ringfence(command, *pool, "--limit", "1001", "--json").stderr == ""
        whole = ringfence(command, *pool, "--all")
        assert len(whole.stdout.splitlines()) > 1_002
        assert whole.stderr == ""
        ringfence(command, "--limit", "3", "--all", code=2)
