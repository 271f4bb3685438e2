"""No caller and no text of a message is found where the tap or the server leaves anything."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.places import ROOT
from support.programs import needs
from support.server_process import ServerProcess, wait_until
from support.traces import callers, found_in, number_forms, text_forms, texts

from ringfence import Client, Feed, Pool
from ringfence.adapters.tap.frames import frames_of
from ringfence.adapters.tap.tshark import Tshark

pytestmark = [pytest.mark.slow, needs("tshark", "bwrap")]

DATA = ROOT / "tests/data/core"
CAPTURES = sorted(each for each in DATA.iterdir() if each.suffix in {".pcap", ".pcapng"})
TRUTH = sorted(DATA.glob("*_expected.csv"))
SCRIPT = (ROOT / "src/ringfence/adapters/tap/core.lua").read_bytes()
BEFORE = 1_767_000_000
"""Unix seconds; all captures are younger."""
Forms = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def caller_forms() -> Forms:
    """Callers who are called as well are left out: they may be found as that."""
    found = callers(TRUTH)
    assert len(found) > 300
    return {each: list(number_forms(each)) for each in found}


@pytest.fixture(scope="module")
def message_forms() -> Forms:
    found = texts(CAPTURES)
    assert {"hello", "Is this still your number?"} <= found
    return {each: list(text_forms(each)) for each in found}


def said(capture: Path, script: bytes) -> tuple[bytes, bytes]:
    """What leaves tshark: what it prints, and what it says of itself."""
    with capture.open("rb") as file:
        frames = list(frames_of(file))
    with closing(Tshark(script=script)) as tshark:

        def give() -> None:
            for frame in frames:
                tshark.give(frame)
            tshark.end()

        giving = threading.Thread(target=give)
        giving.start()
        printed = tshark.lines.read()
        giving.join(60)
        return printed, tshark.why_ended().encode()


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda each: each.stem)
def test_no_text_leaves_tshark_and_no_caller_but_in_its_fields(
    capture: Path, caller_forms: Forms, message_forms: Forms
) -> None:
    printed, errors = said(capture, SCRIPT)
    assert printed.count(b"\n") > 10
    assert found_in(printed, message_forms) == set()
    assert found_in(errors, message_forms) == set()
    assert found_in(errors, caller_forms) == set()


def test_a_text_that_left_tshark_would_be_found(message_forms: Forms) -> None:
    script = SCRIPT.replace(b'"gsm_sms.tp-da",', b'"gsm_sms.tp-da", "gsm_sms.sms_text",')
    printed, _ = said(DATA / "diameter.pcap", script)
    assert "hello" in found_in(printed, message_forms)


def test_neither_is_in_what_adapter_and_server_leave(
    own_server: ServerProcess, tmp_path: Path, caller_forms: Forms, message_forms: Forms
) -> None:
    called = 447700900410  # of mixed.pcap, by a caller that is carried
    ring = tmp_path / "ring"
    ring.mkdir()
    for capture in CAPTURES:
        (ring / capture.name).write_bytes(capture.read_bytes())
        os.utime(ring / capture.name, (BEFORE, BEFORE))
    with Client(own_server.address) as client:
        client.put_feed(Feed("core"))
        client.put_pool(Pool("core", "default", ("core",)))
        client.quarantine_numbers(
            list(range(447700900000, 447700901000)),
            pool="core",
            quarantined_at=BEFORE,
            observed_since=BEFORE,
        )
        left = [
            ran(own_server, str(ring)),
            followed(own_server, ring, tmp_path / "state"),
        ]
        recent = client.get_number(called).recent
        assert any(each.caller_tag for each in recent), "a caller was told, and is remembered"
    own_server.stop()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix not in {".pcap", ".pcapng"}:
            left.append(path.read_bytes())
    assert (tmp_path / "state").exists()
    whole = b"\n".join(left)
    assert called.to_bytes(8, "little") in whole, "the called number is, so that all is searched"
    assert found_in(whole, caller_forms) == set()
    assert found_in(whole, message_forms) == set()


def command(server: ServerProcess, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ringfence", "adapter", "tap", "--read", "--country", "44"),
        *("--feed", "core", "--server", server.address, *arguments),
    ]


def ran(server: ServerProcess, *arguments: str) -> bytes:
    """What an import says."""
    done = subprocess.run(
        command(server, *arguments), capture_output=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def followed(server: ServerProcess, ring: Path, state: Path) -> bytes:
    """What a run says that follows a folder."""
    arguments = command(server, "--follow", "--state", str(state), str(ring))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until(lambda: state.exists() and b"true" in state.read_bytes())
        running.send_signal(signal.SIGTERM)
        printed, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    return printed + errors
