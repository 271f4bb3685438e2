"""A gateway binds to the adapter: who may, what is answered and when, and what is lost."""

import asyncio

import pytest
from support import smpp_pdus as made
from support.smpp_peer import NAME, PASSWORD, PATIENCE_S, Centre, malformed, run
from support.switch_traffic import AT

from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp import smsc
from ringfence.adapters.smpp.body import bind_body

MESSAGE = made.message()


def test_a_message_is_an_event_and_answered_with_a_name_of_its_own() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        assert await gateway.bind() == smpp.OK
        answers = [await gateway.ask(smpp.SUBMIT_SM, made.message(b"%d" % n)) for n in range(3)]
        assert {answer.status for answer in answers} == {smpp.OK}
        assert len({answer.body for answer in answers}) == 3

    adapter = run(test)
    assert [(s.called, s.caller, s.occurred_at) for s in adapter.sink.sent] == [
        (int(made.CALLED), int(made.CALLER), AT)
    ] * 3


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        (NAME, b"wrong", smpp.INVALID_PASSWORD),
        (NAME, b"", smpp.INVALID_PASSWORD),
        (b"stranger", PASSWORD, smpp.BIND_FAILED),
        (b"", b"", smpp.BIND_FAILED),
    ],
)
def test_who_is_not_known_is_refused(name: bytes, password: bytes, status: int) -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        assert await gateway.bind(name, password) == status
        answer = await gateway.ask(smpp.SUBMIT_SM, MESSAGE)
        assert answer.status == smpp.WRONG_BIND_STATUS
        assert await gateway.bind() == smpp.OK, "it may try again"

    assert run(test).sink.sent == []


def test_three_wrong_passwords_end_the_connection() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        for _ in range(3):
            assert await gateway.bind(NAME, b"wrong") == smpp.INVALID_PASSWORD
        assert await gateway.next() is None

    run(test)


def test_a_second_bind_is_refused_on_the_same_connection_and_on_another() -> None:
    async def test(adapter: Centre) -> None:
        gateway, other = await adapter.gateway(), await adapter.gateway()
        assert await gateway.bind() == smpp.OK
        assert await gateway.bind() == smpp.ALREADY_BOUND
        assert await other.bind() == smpp.ALREADY_BOUND
        assert (asked := await gateway.next())
        assert asked.command == smpp.ENQUIRE_LINK, "is the first one still there?"
        gateway.close()
        await asyncio.sleep(0.1)
        assert await other.bind() == smpp.OK

    run(test)


def test_a_receiver_is_beside_a_transmitter_and_may_not_send() -> None:
    async def test(adapter: Centre) -> None:
        sender, receiver = await adapter.gateway(), await adapter.gateway()
        assert await receiver.bind(command=smpp.BIND_RECEIVER) == smpp.OK
        assert await sender.bind(command=smpp.BIND_TRANSMITTER) == smpp.OK
        answer = await receiver.ask(smpp.SUBMIT_SM, MESSAGE)
        assert answer.status == smpp.WRONG_BIND_STATUS

    run(test)


def test_nothing_is_answered_before_it_is_safe() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.safe.clear()
        first = gateway.send(smpp.SUBMIT_SM, MESSAGE)
        await adapter.until("event")
        assert (await gateway.ask(smpp.ENQUIRE_LINK)).status == smpp.OK, "all else is answered"
        adapter.sink.safe.set()
        assert (answer := await gateway.next())
        assert (answer.sequence, answer.status) == (first, smpp.OK)

    run(test)


def test_what_was_not_answered_and_comes_again_is_no_second_event() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.safe.clear()
        gateway.send(smpp.SUBMIT_SM, MESSAGE)
        await adapter.until("event")
        gateway.close()
        again = await adapter.gateway()
        while await again.bind() != smpp.OK:
            again = await adapter.gateway()
        adapter.sink.safe.set()
        again.sequence = 700
        assert (await again.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.OK
        assert adapter.tally["repeat"] == 1
        assert (await again.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.OK

    adapter = run(test)
    assert len(adapter.sink.sent) == 2, "the third one is another message"


def test_without_room_for_all_that_was_read_messages_wait_for_it_in_their_order() -> None:
    numbers = [f"4477009001{at:02}" for at in range(20)]

    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.has_room = False
        sent = [gateway.send(smpp.SUBMIT_SM, made.message(called=(1, 1, each))) for each in numbers]
        answers = [await gateway.next() for _ in sent]
        assert [(each.sequence, each.status) for each in answers if each] == [
            (sequence, smpp.OK) for sequence in sent
        ]

    assert [str(each.called) for each in run(test).sink.sent] == numbers


def test_beyond_the_window_messages_are_throttled_and_their_time_is_lost() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.safe.clear()
        adapter.sink.lost.clear()
        for _ in range(3):
            gateway.send(smpp.SUBMIT_SM, MESSAGE)
        assert (answer := await gateway.next())
        assert (answer.sequence, answer.status) == (4, smpp.THROTTLED)
        assert adapter.sink.lost == [(AT, AT + 1)]

    assert len(run(test, window=2).sink.sent) == 2


@pytest.mark.parametrize("command", [smpp.SUBMIT_SM, smpp.SUBMIT_MULTI, smpp.DATA_SM])
def test_a_refusal_of_all_messages_counts_them_all_the_same(command: int) -> None:
    bodies = {smpp.SUBMIT_SM: MESSAGE, smpp.DATA_SM: made.data()}

    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        body = bodies.get(command, made.multi((1, 1, made.CALLED)))
        answer = await gateway.ask(command, body)
        assert answer.status == smpp.INVALID_DESTINATION
        assert answer.body[:1] == b"\0"

    assert len(run(test, status=smpp.INVALID_DESTINATION).sink.sent) == 1


def test_an_unbind_is_answered_behind_all_messages() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        gateway.send(smpp.SUBMIT_SM, MESSAGE)
        gateway.send(smpp.UNBIND)
        answers = [await gateway.next() for _ in range(3)]
        assert [answer and answer.command for answer in answers] == [
            smpp.SUBMIT_SM | smpp.RESPONSE,
            smpp.UNBIND | smpp.RESPONSE,
            None,
        ]

    run(test)


@pytest.mark.parametrize("length", [8, 2**31])
def test_a_length_that_cannot_be_is_lost_time_and_ends_the_connection(length: int) -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.lost.clear()
        gateway.writer.write(malformed(length))
        assert (nack := await gateway.next())
        assert (nack.command, nack.status) == (smpp.GENERIC_NACK, smpp.INVALID_COMMAND_LENGTH)
        assert await gateway.next() is None
        assert adapter.sink.lost == [(AT, AT + 1)]
        assert await (await adapter.gateway()).bind() == smpp.OK, "the adapter goes on"

    assert run(test).tally["smpp_length"] == 1


def test_strangers_take_no_time_out_of_the_claims() -> None:
    async def test(adapter: Centre) -> None:
        for octets in (malformed(8), made.octets(MESSAGE), made.octets(b"", 0x99), b"GET / HTTP"):
            stranger = await adapter.gateway()
            stranger.writer.write(octets)
            stranger.writer.write_eof()
            while await stranger.next():
                pass

    adapter = run(test)
    assert adapter.sink.lost == []
    assert adapter.sink.sent == []


def test_a_message_that_cannot_be_read_is_lost_time_and_refused() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.lost.clear()
        answer = await gateway.ask(smpp.SUBMIT_SM, MESSAGE[:-1])
        assert answer.status == smpp.INVALID_MESSAGE_LENGTH
        gateway.send(0x99)
        assert (nack := await gateway.next())
        assert (nack.command, nack.status) == (smpp.GENERIC_NACK, smpp.INVALID_COMMAND)
        assert adapter.sink.lost == [(AT, AT + 1)] * 2
        assert (await gateway.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.OK

    assert run(test).tally["smpp_text_cut"] == 1


def test_what_is_no_message_is_answered_and_costs_nothing() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.lost.clear()
        assert (await gateway.ask(smpp.QUERY_SM, b"1\0\0\0\0")).status == smpp.QUERY_FAILED
        assert (await gateway.ask(smpp.CANCEL_SM)).status == smpp.CANCEL_FAILED
        assert (await gateway.ask(smpp.REPLACE_SM)).status == smpp.REPLACE_FAILED

    assert run(test).sink.lost == []


def test_time_is_heard_while_all_gateways_are_bound_and_answer() -> None:
    async def test(adapter: Centre) -> None:
        adapter.clock.now = AT + 10
        assert adapter.hearing.until == AT
        gateway = await adapter.gateway()
        await gateway.bind()
        assert adapter.sink.lost == [(AT, AT + 11)]
        assert adapter.hearing.missing == ["other"]
        assert adapter.hearing.until == AT
        other = await adapter.gateway()
        await other.bind(b"other", b"word")
        assert adapter.hearing.until == AT + 10
        adapter.clock.now = AT + 20
        await gateway.ask(smpp.ENQUIRE_LINK)
        assert adapter.hearing.until == AT + 10, "of the other one nothing came since"
        await other.ask(smpp.ENQUIRE_LINK)
        assert adapter.hearing.until == AT + 20

    run(test, accounts={"gateway": "secret", "other": "word"})


def test_a_stop_answers_what_is_safe_and_unbinds() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        gateway.send(smpp.SUBMIT_SM, MESSAGE)
        await adapter.until("event")
        await adapter.smsc.close()
        answers = [await gateway.next() for _ in range(3)]
        assert [answer and answer.command for answer in answers] == [
            smpp.SUBMIT_SM | smpp.RESPONSE,
            smpp.UNBIND,
            None,
        ]

    run(test)


def test_strangers_keep_no_gateway_out_and_bound_ones_are_never_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smsc, "CONNECTIONS_MAX", 2)

    async def test(adapter: Centre) -> None:
        first, _, third = [await adapter.gateway() for _ in range(3)]
        assert await first.next() is None, "it has been there for longest without a bind"
        assert await third.bind(command=smpp.BIND_TRANSMITTER) == smpp.OK
        fourth = await adapter.gateway()
        assert await fourth.bind(command=smpp.BIND_RECEIVER) == smpp.OK
        fifth = await adapter.gateway()
        assert await fifth.next() is None, "all others are bound"
        for bound in (third, fourth):
            assert (await bound.ask(smpp.ENQUIRE_LINK)).status == smpp.OK
        assert adapter.tally["note_never_bound"] == 2
        assert adapter.tally["note_connection_refused"] == 1

    run(test)


def test_a_bind_that_is_cut_is_refused() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        answer = await gateway.ask(smpp.BIND_TRANSMITTER, bind_body(NAME, PASSWORD)[:9])
        assert answer.status == smpp.INVALID_COMMAND_LENGTH

    run(test)


def test_a_system_id_may_have_as_many_binds_as_it_was_given_and_is_heard_by_each() -> None:
    async def test(adapter: Centre) -> None:
        first, second, third = [await adapter.gateway() for _ in range(3)]
        assert [await each.bind() for each in (first, second)] == [smpp.OK] * 2
        assert await third.bind() == smpp.ALREADY_BOUND
        for each, text in ((first, b"1"), (second, b"2")):
            asked = await each.next()
            assert asked and asked.command == smpp.ENQUIRE_LINK
            assert (await each.ask(smpp.SUBMIT_SM, made.message(text))).status == smpp.OK
        adapter.sink.lost.clear()
        adapter.clock.now = AT + 9
        first.close()
        async with asyncio.timeout(PATIENCE_S):
            while not adapter.sink.lost:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert adapter.sink.lost == [(AT, AT + 10)], "what was on its way there may come here"
        assert adapter.hearing.missing == []
        assert await third.bind() == smpp.OK, "there is room again"

    assert len(run(test, sessions_max=2).sink.sent) == 2


def test_a_gateway_that_goes_on_sending_gets_all_answers_when_the_adapter_leaves() -> None:
    accepted = []

    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        assert await gateway.bind() == smpp.OK
        reading = gateway.writer.transport
        assert isinstance(reading, asyncio.ReadTransport)
        reading.pause_reading()
        for n in range(5_000):
            gateway.send(smpp.SUBMIT_SM, made.message(b"%d" % n))
        await adapter.until("event", 1_000)
        closing = asyncio.create_task(adapter.smsc.close())
        for n in range(5_000):
            gateway.send(smpp.SUBMIT_SM, made.message(b"more %d" % n))
            if n % 50 == 0:
                await asyncio.sleep(0.001)
        reading.resume_reading()
        while answer := await gateway.next():
            if answer.command == smpp.SUBMIT_SM | smpp.RESPONSE and answer.status == smpp.OK:
                accepted.append(answer.sequence)
        await closing

    adapter = run(test, window=20_000)
    assert len(accepted) == len(adapter.sink.sent) >= 1_000
