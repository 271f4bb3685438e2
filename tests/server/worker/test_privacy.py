"""No caller anywhere: what a server keeps, says and logs never holds one."""

import hashlib
import time
from pathlib import Path

import grpc
import pytest
from support.durable_server import take_snapshot
from support.long_ago import LONG_AGO
from support.server_process import DEADLINE_S, batch, peer_of, serving

from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

CALLED = 447700900321
ELSEWHERE = [CALLED + 1 + i for i in range(20)]  # enough to make a caller a robot
CALLER = 441632960777
TEXT = "fiction-bank"
TEXT_CALLER = int.from_bytes(hashlib.sha256(TEXT.encode()).digest()[:8], "big") | 1 << 63


def _traces(number: int) -> dict[str, bytes]:
    return {
        "digits": str(number).encode(),
        "hexadecimal": f"{number:x}".encode(),
        "little-endian": number.to_bytes(8, "little"),
        "big-endian": number.to_bytes(8, "big"),
    }


def _finds(number: int, where: dict[str, bytes]) -> list[str]:
    return [
        f"{form} in {place}"
        for place, content in where.items()
        for form, trace in _traces(number).items()
        if trace in content
    ]


def test_caller_is_nowhere_in_segment_folder_answers_and_log(tmp_path):
    answers: list[str] = []

    def try_call(call) -> None:
        try:
            answers.append(str(call()))
        except grpc.RpcError as error:
            answers.append(str(error))

    with (
        serving(tmp_path / "data", "--workers", "2", "--capacity", "1000") as server,
        peer_of(server) as peer,
    ):
        peer.quarantine([CALLED, *ELSEWHERE], quarantined_at=[LONG_AGO])
        raw = peer.channel.unary_unary("/ringfence.v1.EventService/RecordEvents")
        for caller in (CALLER, TEXT_CALLER):
            sound = batch([CALLED] * 3, caller=[caller] * 3)
            sound.occurred_at[:] = [int(time.time()) - age for age in range(3)]
            broken = sound.SerializeToString()[:-1]
            unary = events.RecordEventsRequest()
            unary.ParseFromString(sound.SerializeToString())
            for request in (
                sound,
                batch([CALLED], caller=[caller], kind=[99]),
                batch([5], caller=[caller]),
                batch([CALLED], caller=[caller] * 2),
                batch([CALLED], caller=[caller], feed="Not A Name"),
                batch(ELSEWHERE, caller=[caller] * len(ELSEWHERE)),
            ):
                try_call(
                    lambda request=request: list(
                        peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S)
                    )
                )
            try_call(lambda broken=broken: raw(broken, timeout=DEADLINE_S))
            try_call(lambda unary=unary: peer.events.RecordEvents(unary, timeout=DEADLINE_S))
        asked = numbers.GetNumberRequest(number=CALLED)
        got = peer.numbers.GetNumber(asked, timeout=DEADLINE_S)
        assert len({event.caller_tag for event in got.recent}) == 2
        assert all(event.spray for event in got.recent)
        status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
        assert status.spray_callers == 2
        answers += [str(got), str(status)]
        take_snapshot(server)
        segment = (server.run_folder / "segment").read_bytes()
    where = {
        "segment": segment,
        "answers": "".join(answers).encode(),
        "output": server.ready_line.encode(),
        "log": server.log.encode(),
        **{
            str(path.relative_to(server.data)): path.read_bytes()
            for path in Path(server.data).rglob("*")
            if path.is_file()
        },
    }
    journals = {f"journal/{name}/data.mdb" for name in ("keeper", "worker-0", "worker-1")}
    snapshot = "snapshots/snapshot-0000000000000001.rfs"
    assert {"lock", "folder_id", "caller_key", snapshot, *journals} < where.keys()
    assert _finds(CALLED, where), "the search itself does not work"
    assert not _finds(CALLER, where)
    assert not _finds(TEXT_CALLER, where)
    assert not [place for place, content in where.items() if TEXT.encode() in content]
