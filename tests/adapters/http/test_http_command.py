"""`ringfence adapter http` as a process in front of a real server, which both may be killed."""

import gzip
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest
from support.http_adapter import JSON, PATIENCE_S, Answer, adapter, command, post
from support.programs import needs
from support.run_seed import run_seed
from support.server_process import Peer, ServerProcess, peer_of, serving, wait_until
from support.told_claims import gaps_of, put_feed, status_of
from support.wall_clock import SteppingClock

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

FEED = "web-1"


def event(called: int, **values: object) -> bytes:
    told = {"called": f"+{called}", "occurred_at": int(time.time()), "kind": "CALL", **values}
    return json.dumps(told).encode()


def quarantined(peer: Peer, fresh: list[int]) -> list[int]:
    peer.quarantine(fresh, quarantined_at=[int(time.time()) - 10_000] * len(fresh))
    return fresh


def times_at(peer: Peer, number: int) -> list[int]:
    """When events at a number were, oldest first, each as often as it counts."""
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=10)
    return sorted(each.occurred_at.seconds for each in answer.recent)


def events_at(peer: Peer, number: int) -> int:
    """How many events a number has, also those that are ahead of now."""
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=10)
    return answer.events_total


def test_what_is_answered_with_200_is_with_the_server(
    server: ServerProcess, peer: Peer, fresh_numbers
) -> None:
    (number,) = quarantined(peer, fresh_numbers(1))
    now = int(time.time())
    with adapter(server.address) as running:
        for at, (body, headers) in enumerate(
            (
                (event(number, occurred_at=now), {}),
                (b"[" + event(number, occurred_at=now - 1) + b"]", {"type_": JSON}),
                (
                    gzip.compress(event(number, occurred_at=now - 2)),
                    {"Content_Encoding": "gzip"},
                ),
            ),
            1,
        ):
            answer = post(running.address, body, **headers)
            assert (answer.status, answer.content["accepted"]) == (200, 1)
            assert len(times_at(peer, number)) == at
        with socket.create_connection(running.address) as open_:  # who says nothing holds up nobody
            code, said = running.stop()
            assert open_.fileno() >= 0
    assert code == 0, said
    assert "read event=3" in said
    assert "accepted=3 untracked=0" in said


def test_time_is_claimed_as_far_as_a_line_says_and_a_refused_body_is_lost(
    server: ServerProcess, peer: Peer, fresh_numbers
) -> None:
    (number,) = quarantined(peer, fresh_numbers(1))
    put_feed(peer, FEED, silence_max={"seconds": 86_400})
    with adapter(server.address) as running:
        began = int(time.time())

        def heard_until(until: int) -> None:
            heard = json.dumps({"heard_from": began - 500, "heard_to": until}).encode()
            post(running.address, event(number) + b"\n" + heard)
            post(running.address, event(number))
            wait_until(lambda: status_of(peer, FEED).watermark.seconds >= until)

        wait_until(lambda: time.time() >= began + 3)
        heard_until(began + 3)
        assert gaps_of(peer, FEED) == []
        assert post(running.address, b"[", type_=JSON).status == 400
        wait_until(lambda: time.time() >= began + 7)
        heard_until(began + 7)
        ((lost_from, lost_until),) = gaps_of(peer, FEED)
        assert began + 3 <= lost_from < lost_until <= began + 7
        assert running.stop()[0] == 0


def test_a_server_that_is_away_is_503_until_it_is_back(tmp_path: Path, fresh_numbers) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as first:
        with peer_of(first) as peer:
            (number,) = quarantined(peer, fresh_numbers(1))
        with adapter(first.address) as running:
            assert post(running.address, event(number, id="a")).status == 200
            first.stop()

            def away() -> bool:
                return post(running.address, event(number, id="b")).status == 503

            wait_until(away)
            answer = post(running.address, event(number, id="b"))
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            with serving(
                tmp_path / "data",
                *("--workers", "1", "--capacity", "1000", "--listen", first.address),
            ) as second:
                assert second.ready_line

                def back() -> bool:
                    return post(running.address, event(number, id="c")).status == 200

                wait_until(back)
                with peer_of(second) as peer:
                    assert len(times_at(peer, number)) >= 2
            assert running.process.poll() is None


def test_what_the_server_rejects_is_no_repeat_when_it_comes_again(
    server: ServerProcess,
    peer: Peer,
    fresh_numbers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (number,) = quarantined(peer, fresh_numbers(1))
    clock = SteppingClock(tmp_path / "offset")
    clock.set_offset(250)
    with clock.preloaded(monkeypatch), adapter(server.address) as running:
        body = event(number, id="a", occurred_at=int(time.time()) + 450)
        assert post(running.address, body).status == 500
        assert post(running.address, body).status == 500, "the server still has nothing of it"
        assert events_at(peer, number) == 0
        at = int(time.time()) + 250
        answer = post(running.address, event(number, id="a", occurred_at=at))
        assert (answer.status, answer.content["accepted"]) == (200, 1)
        assert events_at(peer, number) == 1
        assert post(running.address, event(number, id="a", occurred_at=at)).content["repeats"] == 1


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.mark.parametrize("seed", [run_seed()])
def test_an_adapter_that_is_killed_loses_nothing_that_was_answered_and_counts_nothing_twice(
    server: ServerProcess, peer: Peer, fresh_numbers, seed: int
) -> None:
    draw = random.Random(seed)
    called = quarantined(peer, fresh_numbers(40))
    now = int(time.time())
    wanted: dict[int, list[int]] = {number: [] for number in called}
    batches = []
    for batch in range(100):
        lines = []
        for number in draw.sample(called, 8):
            at = now - 5_000 + len(wanted[number]) * 7
            wanted[number].append(at)
            lines.append(event(number, occurred_at=at, id=f"{batch}-{number}"))
        batches.append(b"\n".join(lines))
    port = free_port()
    answered = threading.Semaphore(0)
    tries = 0

    def client() -> None:
        nonlocal tries
        for batch in batches:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                tries += 1
                try:
                    status = post(("127.0.0.1", port), batch).status
                except (OSError, HTTPException, ValueError):
                    time.sleep(0.02)
                    continue
                if status == 200:
                    answered.release()
                    break
                assert status in (429, 503)

    posting = threading.Thread(target=client, daemon=True)
    posting.start()
    try:
        for life in range(5):
            with adapter(server.address, listen=f"127.0.0.1:{port}") as running:
                for _ in range(20):
                    assert answered.acquire(timeout=PATIENCE_S), life
                os.kill(running.process.pid, signal.SIGKILL)
    finally:
        with adapter(server.address, listen=f"127.0.0.1:{port}"):
            posting.join(2 * PATIENCE_S)
    assert not posting.is_alive()
    assert tries > len(batches)
    assert {number: times_at(peer, number) for number in called} == wanted


def test_a_flood_leaves_it_small_and_answering(
    server: ServerProcess, peer: Peer, fresh_numbers
) -> None:
    (number,) = quarantined(peer, fresh_numbers(1))
    with adapter(server.address) as running:
        status = Path(f"/proc/{running.process.pid}/status")

        def resident_mib() -> int:
            (line,) = [each for each in status.read_text().splitlines() if "VmRSS" in each]
            return int(line.split()[1]) >> 10

        assert post(running.address, event(number)).status == 200
        before = resident_mib()
        bomb = gzip.compress(b"[" + b"{}," * 1_300_000 + b"{}]")
        nested = b"[" * (2 << 20)
        objects = b"[" + b"{}," * 60_000 + b"{}]"
        answers: list[Answer] = []

        def answer(body: bytes, **headers: str) -> None:
            while True:
                try:
                    answers.append(post(running.address, body, **headers))
                    return
                except (OSError, HTTPException):  # made room for somebody in the crowd
                    time.sleep(0.02)

        def flood() -> None:
            for _ in range(6):
                answer(bomb, type_=JSON, Content_Encoding="gzip")
                answer(nested, type_=JSON)
                answer(nested)
                answer(objects, type_=JSON)

        floods = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
        for each in floods:
            each.start()
        slow = [socket.create_connection(running.address) for _ in range(400)]
        for each in slow:
            each.close()
        for each in floods:
            each.join(4 * PATIENCE_S)
        assert {answer.status for answer in answers} <= {200, 400, 413, 429}
        assert len(answers) == 96
        assert resident_mib() - before < 192
        assert post(running.address, event(number)).status == 200
        assert running.stop()[0] == 0


def test_only_with_a_token_it_listens_to_other_machines(tmp_path: Path) -> None:
    token = tmp_path / "token"

    def said(*options: str, listen: str = "0.0.0.0:0") -> tuple[int, str]:
        done = subprocess.run(
            command("127.0.0.1:1", *options, listen=listen),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "COLUMNS": "300"},
        )
        return done.returncode, done.stderr

    code, words = said()
    assert (code, "or --token-file" in words) == (2, True), words
    for text in ("", "short", "two words that are long", "x" * 2_000):
        token.write_text(text)
        code, words = said("--token-file", str(token))
        assert (code, "allowed: a token of 16" in words) == (4, True), words
        assert not text or text not in words
    code, words = said("--token-file", "/dev/zero")
    assert (code, "allowed: a text of 1024 KiB" in words) == (4, True), words
    token.write_text("0123456789abcdef-secret\n")
    code, words = said("--http-key", str(token), "--token-file", str(token))
    assert (code, "go together" in words) == (2, True), words
    code, words = said("--http-key", str(token), "--http-certificate", str(token))
    assert (code, "secret" in words) == (4, False), words


@needs("openssl")
def test_with_a_certificate_it_speaks_tls(
    server: ServerProcess, peer: Peer, fresh_numbers, tmp_path: Path
) -> None:
    (number,) = quarantined(peer, fresh_numbers(1))
    key, certificate, token = (tmp_path / name for name in ("key.pem", "certificate.pem", "token"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    token.write_text("0123456789abcdef-secret\n")
    options = ("--http-key", str(key), "--http-certificate", str(certificate))
    bearer = "Bearer 0123456789abcdef-secret"
    trusts = ssl.create_default_context(cafile=certificate)
    with adapter(
        server.address, *options, "--token-file", str(token), listen="0.0.0.0:0"
    ) as running:
        address = ("127.0.0.1", running.address[1])
        answer = post(address, event(number), tls=trusts, Authorization=bearer)
        assert answer.content["accepted"] == 1
        assert post(address, event(number), tls=trusts).status == 401
        with pytest.raises((OSError, HTTPException)):
            post(address, event(number), Authorization=bearer)
        code, said = running.stop()
    assert (code, "clear text" in said, "secret" in said) == (0, False, False)


def test_without_its_library_it_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; from ringfence.cli import main;"
        " main(['adapter', 'http', '--feed', 'f', '--country', '44'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 4
    assert "uvicorn is not installed: pip install 'ringfence[http]'" in done.stderr
