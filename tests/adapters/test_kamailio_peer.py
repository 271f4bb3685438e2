"""What a switch answers is only an answer: to what was asked, and nothing that ends the adapter."""

import asyncio
import json
from collections.abc import Callable

import pytest
from support.switch_traffic import ListSink

from ringfence.adapters.kamailio import evapi
from ringfence.adapters.kamailio.evapi import Evapi
from ringfence.adapters.kamailio.heard import Heard
from ringfence.adapters.kamailio.mqueue import AT_ONCE, FETCH_S, Mqueue
from ringfence.adapters.kamailio.reader import ReportReader
from ringfence.adapters.kamailio.rpc import NoAnswer, Refused, Rpc
from ringfence.adapters.kamailio.source import Reports
from ringfence.wording.dialled import DialPlan

AT = 1_790_000_000
BOOT = AT - 100
PATIENCE_S = 20.0


class Answers:
    """A way to a switch that gives these answers."""

    def __init__(self, answer: Callable[[dict[str, object]], bytes]) -> None:
        self._answer = answer

    def ask(self, request: bytes) -> bytes:
        return self._answer(json.loads(request))

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "octets",
    [
        b'{"error": {"code": 1e999, "message": "x"}}',
        b'{"error": {"code": -Infinity, "message": "x"}}',
        b'{"error": {"code": NaN, "message": "x"}}',
        b'{"error": {"code": ' + b"9" * 5_000 + b', "message": "x"}}',
        b'{"error": null}',
        b'"error"',
        b"[" * 100_000,
    ],
    ids=range(7),
)
def test_whatever_an_error_says_it_is_no_end(octets: bytes) -> None:
    with pytest.raises(NoAnswer):
        Rpc(Answers(lambda _: octets)).call("htable.get")


def test_what_the_switch_says_steers_no_terminal() -> None:
    error = {"code": 500, "message": "\x1b]0;title\x07\r\n\u202e" + "x" * 900}
    with pytest.raises(Refused) as refused:
        Rpc(Answers(lambda _: json.dumps({"error": error}).encode())).call("htable.get")

    def refuse(_: dict[str, object]) -> bytes:
        raise OSError("\x1b[31m" + "x" * 900)

    with pytest.raises(NoAnswer) as unanswered:
        Rpc(Answers(refuse)).call("htable.get")
    for said in (str(refused.value), str(unanswered.value)):
        assert said.isprintable()
        assert len(said) < 100


def _reports(sink: ListSink, now: Callable[[], float]) -> tuple[Reports, Heard]:
    heard = Heard(sink.lose, began_at=AT, margin_s=5, patience_s=5)
    return Reports(ReportReader(DialPlan.of_country(44)), sink, heard, now), heard


def test_slow_switch_does_not_keep_waiting_what_it_gave() -> None:
    now = [float(AT)]
    report = {"ev": "INVITE", "called": "+447700900001", "caller": "", "ts": str(AT), "boot": BOOT}
    given = [0]

    def answer(request: dict[str, object]) -> bytes:
        now[0] += FETCH_S * 0.6
        result: dict[str, object]
        if request["method"] == "mqueue.fetch":
            given[0] += 1
            line = {**report, "seq": given[0], "callid": f"c{given[0]}"}
            result = {"val": json.dumps(line)}
        elif request["method"] == "mqueue.get_size":
            result = {"size": AT_ONCE}
        else:
            key = request["params"][1]  # type: ignore[index]
            result = {"item": {"value": BOOT if key == "boot" else 0}}
        return json.dumps({"result": result, "id": request["id"]}).encode()

    async def run() -> None:
        sink, stop = ListSink(), asyncio.Event()
        reports, _ = _reports(sink, lambda: now[0])
        stop.set()
        way = Mqueue(Rpc(Answers(answer)), "ringfence", print, clock=lambda: now[0])
        await way._round(reports, stop)
        assert len(sink.sent) == given[0] == 2, "the others wait in the queue"

    asyncio.run(run())


@pytest.mark.parametrize("theirs", ["-inf", "-1e308", "nan", f"{AT}", f"{AT + 59}.5", "1"])
def test_a_mark_that_somebody_else_asked_for_is_none(
    theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The script answers whoever asks, and says it to all.
    monkeypatch.setattr(evapi, "ASK_S", 0.01)
    asked: list[str] = []

    async def switch(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int((await stream.readuntil(b":"))[:-1])
        asked.append((await stream.readexactly(size + 1))[:-1].decode())
        for mark, boot in ((theirs, BOOT + 1), (asked[0], BOOT)):
            said = json.dumps({"mark": mark, "boot": boot, "seq": 3}).encode()
            writer.write(b"%d:%s," % (len(said), said))
        await stream.read()
        writer.close()

    async def run() -> None:
        sink = ListSink()
        reports, heard = _reports(sink, lambda: AT + 60.0)
        server = await asyncio.start_server(switch, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        way, stop = Evapi(host, port, print, clock=lambda: AT + 60.0), asyncio.Event()
        running = asyncio.create_task(way.run(reports, stop))
        async with asyncio.timeout(PATIENCE_S):
            while not heard.whole.boot:  # noqa: ASYNC110  # it comes by socket
                await asyncio.sleep(0.002)
        assert heard.whole == (BOOT, 3, AT + 60.0)
        assert len(sink.lost) == 1, "it was the first"
        stop.set()
        await running
        server.close()

    asyncio.run(run())
