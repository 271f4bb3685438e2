"""The script of the page, as it is written there, connects a switch that writes a log."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.places import ROOT
from support.programs import needs
from support.server_process import Peer, ServerProcess, wait_until
from support.told_claims import put_feed, status_of

from ringfence.v1 import number_service_pb2 as numbers

PAGE = ROOT / "src/ringfence/adapters/ndjson/README.md"
PATIENCE_S = 60.0


@pytest.mark.slow
@needs("perl")
def test_the_perl_script_follows_a_log_and_says_what_it_heard(
    server: ServerProcess, peer: Peer, fresh_numbers, tmp_path: Path
) -> None:
    (text,) = re.findall(r"^```perl\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script, log = tmp_path / "follow.pl", tmp_path / "calls.log"
    script.write_text(text)
    log.write_text("what was there before\n")
    put_feed(peer, "log-1", silence_max={"seconds": 86_400})
    (number,) = fresh_numbers(1)
    peer.quarantine([number], quarantined_at=[int(time.time()) - 1_000])

    def events_total() -> int:
        request = numbers.GetNumberRequest(number=number)
        return peer.numbers.GetNumber(request, timeout=10).events_total

    began = int(time.time())
    adapter = (
        *(sys.executable, "-m", "ringfence.cli", "adapter", "ndjson", "-"),
        *("--server", server.address, "--feed", "log-1", "--country", "44"),
    )
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as said,
        subprocess.Popen(["perl", script, log], stdout=subprocess.PIPE, stderr=said) as program,
        subprocess.Popen(adapter, stdin=program.stdout, stdout=subprocess.PIPE, stderr=said) as it,
    ):
        try:
            assert it.stdout is not None
            assert b"ready input=-" in it.stdout.readline()
            with log.open("a") as switch:
                switch.write(f"{int(time.time())};+441632960321;+{number}\n{int(time.time())};")
                switch.flush()
                wait_until(lambda: events_total() == 1)
                switch.write(f";+{number}\n")
                switch.flush()
                wait_until(lambda: events_total() == 2)
            wait_until(lambda: status_of(peer, "log-1").watermark.seconds > began)
            log.rename(tmp_path / "calls.log.1")
            assert program.wait(PATIENCE_S) != 0
            assert it.wait(PATIENCE_S) == 0
        finally:
            program.kill()
            it.kill()
    assert "the log was moved away" in errors.read_text()
    assert "event=2" in errors.read_text()
