"""Call detail records per second: read into events, and sent to a real server by the command.

    python benchmarks/cdr.py --records 1000000

For each format a file of different records is made, a month of calls in the order of their time to
`--numbers` numbers by a million callers. `read` is from octets to events, in this process, by the
processor's time: numbers, times, repeats. `end to end` is `ringfence adapter cdr` with a server of
one worker whose numbers are in quarantine, from the start of the command to its end; beside it the
processor's time that the command took.

Not measured: packed files; a network. The command and the server share the machine.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from feeds import CALLERS, FIRST_CALLER, FIRST_NUMBER, PAST_S
from rich.console import Console
from server_processes import Server, machine

from ringfence import Client, Feed
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.wording.dialled import DialPlan

SEED = 20_260_101
COUNTRY = 44
EXCHANGE = 441632960990


class Call(NamedTuple):
    """What a record tells."""

    called: int
    caller: int
    at: int
    index: int


def calls(records: int, numbers: int) -> Iterator[Call]:
    """A month of them, in the order of their time."""
    chance = np.random.default_rng(SEED)
    called = FIRST_NUMBER + chance.integers(0, numbers, records)
    caller = FIRST_CALLER + chance.integers(0, CALLERS, records)
    at = int(time.time()) - 3_600 - PAST_S + np.sort(chance.integers(0, PAST_S, records))
    for index in range(records):
        yield Call(int(called[index]), int(caller[index]), int(at[index]), index)


def wall(at: int) -> str:
    """A time as most switches write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def asterisk(call: Call) -> bytes:
    """A line of Master.csv."""
    at = wall(call.at)
    return (
        f'"","+{call.caller}","+{call.called}","from-trunk","""A"" <+{call.caller}>",'
        f'"PJSIP/a-{call.index:08x}","","Hangup","1","{at}",,"{at}",2,0,"NO ANSWER",'
        f'"DOCUMENTATION","{call.at}.{call.index}",""\n'
    ).encode()


def freeswitch(call: Call) -> bytes:
    """A line of the template `example`."""
    return (
        f'"A","+{call.caller}","+{call.called}","public","{wall(call.at)}","","{wall(call.at + 2)}"'
        f',"2","0","UNALLOCATED_NUMBER","{call.index:032x}","","","PCMA","PCMA"\n'
    ).encode()


def freeswitch_json(call: Call) -> bytes:
    """An object of mod_json_cdr, with few of its variables."""
    profile = {"caller_id_number": f"+{call.caller}", "destination_number": f"+{call.called}"}
    times = {"created_time": f"{call.at}000001", "profile_created_time": f"{call.at}000001"}
    names = ("sip_call_id", "hangup_cause", "sip_user_agent", "read_codec", "endpoint_disposition")
    variables = {"uuid": f"{call.index:032x}", "start_epoch": f"{call.at}"}
    variables |= {name: "some%20value" for name in names}
    flow = [{"caller_profile": profile, "times": times}]
    values = {"core-uuid": "x", "channel_data": {}, "variables": variables, "callflow": flow}
    return json.dumps(values).encode() + b"\n"


def kamailio(call: Call) -> bytes:
    """A row of the table acc."""
    return (
        f"{call.index},INVITE,tag{call.index},,{call.index:08x}@sbc,404,Not Here,{wall(call.at)},"
        f"+{call.called},+{call.caller},{call.at}\n"
    ).encode()


def any_csv(call: Call) -> bytes:
    """A row with columns by our names."""
    return f"+{call.called},+{call.caller},{wall(call.at)},CALL\n".encode()


def ts32298(call: Call) -> bytes:
    """An incGatewayRecord of 76 octets."""
    at = time.strftime("%y%m%d%H%M%S", time.gmtime(call.at))
    content = bytes.fromhex(
        f"8001038107 91{swapped(call.caller)} 8207 91{swapped(call.called)}"
        f"8307 91{swapped(EXCHANGE)} a406 8104{b'IC04'.hex()} 8609 {at}2b0000 8809 {at}2b0000"
        f"890100 8b0103 ac03820101 8d04 {call.index:08x}"
    )
    return b"\xa3" + bytes((len(content),)) + content


def swapped(number: int) -> str:
    """The digits of a number, of which there are twelve, as TBCD."""
    digits = str(number)
    return "".join(digits[place + 1] + digits[place] for place in range(0, len(digits), 2))


class Kind(NamedTuple):
    """A format: its header and its records."""

    header: bytes
    record: Callable[[Call], bytes]


ACC = b"id,method,from_tag,to_tag,callid,sip_code,sip_reason,time,called,caller,time_attr\n"
KINDS = {
    "asterisk": Kind(b"", asterisk),
    "freeswitch": Kind(b"", freeswitch),
    "freeswitch-json": Kind(b"", freeswitch_json),
    "kamailio": Kind(ACC, kamailio),
    "csv": Kind(b"called,caller,occurred_at,kind\n", any_csv),
    "ts32298": Kind(b"", ts32298),
}


class Refuses:
    """Records here are good."""

    def add(self, table: object, line: int | str, cells: object, reason: str) -> None:
        """Ends the benchmark."""
        raise SystemExit(f"refused: {line}, {reason}")


def read_rate(name: str, path: Path, records: int) -> float:
    """Records a second of the processor's time."""
    plan = DialPlan.of_country(COUNTRY)
    reader = CdrReader(FORMATS[name](Forms()), plan, latest=int(time.time()))
    with open(path, "rb") as file:
        began = time.process_time()
        count = sum(1 for _ in reader(file, Refuses(), 0))
        taken = time.process_time() - began
    if count != records:
        raise SystemExit(f"records={count}, wanted={records}")
    return records / taken


def sent(name: str, path: Path, address: str, feed: str) -> tuple[float, float]:
    """Seconds that the command took, and the processor's time of it."""
    command = ["-m", "ringfence.cli", "adapter", "cdr", "--format", name, "--feed", feed]
    command += ["--country", str(COUNTRY), "--server", address, "--json", str(path)]
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(command)}: status={status}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    asked = parser.parse_args()
    console = Console(stderr=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        server = Server(Path(folder, "data"), "--capacity", str(asked.numbers), "--workers", "1")
        try:
            server.quarantine(asked.numbers)
            for name in asked.formats:
                console.print(name)
                path = Path(folder, f"{name}.records")
                header, record = KINDS[name]
                with open(path, "wb") as file:
                    file.write(header)
                    file.writelines(record(each) for each in calls(asked.records, asked.numbers))
                octets = path.stat().st_size / asked.records
                with Client(server.address) as client:
                    client.put_feed(Feed(f"cdr-{name}"))
                rate = read_rate(name, path, asked.records)
                seconds, taken = sent(name, path, server.address, f"cdr-{name}")
                rows.append((name, octets, rate, asked.records / seconds, asked.records / taken))
                path.unlink()
        finally:
            server.stop()
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| format | octets a record | read, records/s a core | end to end, records/s", end="")
    print(" | records/s of the command's processor time |\n|---|---|---|---|---|")
    for name, octets, *rates in rows:
        print(f"| {name} | {octets:.0f} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |")


if __name__ == "__main__":
    main()
