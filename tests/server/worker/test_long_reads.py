"""Long checks and lists are done beside the loop, in slices, and say what short ones say."""

import asyncio
import random
import threading

import numpy as np
import pytest
from support.small_table import START, SmallTable, a_call, insert, make_table

from ringfence.engine.answers import Explanation
from ringfence.engine.settings.policy import Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.header_rows import set_state
from ringfence.engine.verdict.listing import NumberList
from ringfence.engine.words import Measure, State, Verdict
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.turns import Turns
from ringfence.server.worker.number_messages import brief_message
from ringfence.server.worker.number_service import NumberService
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.v1 import number_service_pb2 as pb

DAY_S = 86_400
COUNT = 20_000
NUMBERS_MAX, LISTED_MAX, RECORDS_MAX = 4_096, 2_048, 16_384
"""What takes about 2 ms on a slow machine: checked, listed, and looked at."""
NUMBERS = range(999_000_000_000, 999_000_000_000 + COUNT)
NAMES = ["a", "nl-mobile", "x" * 63]
AGED = Policy("y" * 63, (Rule(Measure.EVENTS, DAY_S, 0),), minimum_age_s=DAY_S, maximum_age_s=DAY_S)
POLICIES = [Policy("policy", (Rule(Measure.EVENTS, 100, 0),)), AGED]
POOLS = [Pool(name, POLICIES[index % 2].name) for index, name in enumerate(NAMES)]


class CountedTurns(Turns):
    """Turns that remember how many slices they were given."""

    def __init__(self) -> None:
        super().__init__("test")
        self.slices = 0

    async def take(self, work, *, later=False):
        self.slices += 1
        return await super().take(work, later=later)


@pytest.fixture(scope="module")
def table() -> SmallTable:
    """Numbers of every pool and state, with events and without."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    made = make_table(numbers=NUMBERS, capacity_numbers=COUNT)
    publish_settings(made.segment, POLICIES, POOLS)
    called = [chance.choice(NUMBERS) for _ in range(COUNT)]
    times = [chance.randrange(2 * DAY_S) for _ in called]
    events = [
        a_call(number, at, 441632960001 + at % 9) for number, at in zip(called, times, strict=True)
    ]
    insert(made.engine, events, now=START + 3 * DAY_S)
    headers = made.writer.header_rows(np.array(NUMBERS, np.uint64))
    states = np.array([chance.choice(list(State)[1:]) for _ in NUMBERS])
    for state in set(states.tolist()):
        set_state(headers, State(state), START + 5 * DAY_S, where=states == state)
    headers["key"] |= np.array([chance.randrange(3) << 50 for _ in NUMBERS], np.uint64)
    headers["override_at"] = [chance.choice((0, 0, START + DAY_S)) for _ in NUMBERS]
    headers["origin"] = [chance.randrange(3) << 8 | chance.randrange(9) for _ in NUMBERS]
    made.writer.apply(headers)
    return made


def use(table: SmallTable, test) -> None:
    """Runs a test with a service over a table; nobody asks its keeper."""

    async def limited() -> None:
        turns = CountedTurns()
        link = KeeperLink("unix:/dev/null")
        settings = PublishedSettings(table.segment)
        service = NumberService(
            table.segment, link, settings, turns, clock=lambda: START + 4 * DAY_S
        )
        await asyncio.wait_for(test(service, turns), 60)
        await link.close()

    asyncio.run(limited())


async def check(service: NumberService, numbers) -> pb.CheckNumbersResponse:
    message = pb.CheckNumbersRequest(numbers=numbers).SerializeToString()
    return pb.CheckNumbersResponse.FromString(await service.check_numbers(message, None))


async def list_page(service: NumberService, **fields) -> pb.ListNumbersResponse:
    message = pb.ListNumbersRequest(**fields).SerializeToString()
    return pb.ListNumbersResponse.FromString(await service.list_numbers(message, None))


def explained(table: SmallTable, number: int) -> Explanation | None:
    return table.engine.explain(number, now=START + 4 * DAY_S)


def test_a_list_encodes_what_is_known_of_each_number(table: SmallTable) -> None:
    asked = [*NUMBERS[:3_000], 447700900999]  # the last is not in the table
    encoded = NumberList(table.segment).encode(np.array(asked, np.uint64), now=START + 4 * DAY_S)
    found = pb.ListNumbersResponse.FromString(encoded)
    known = [explanation for number in asked if (explanation := explained(table, number))]
    expected = [brief_message(explanation, POOLS[explanation.pool]) for explanation in known]
    assert 1_000 < len(expected) < len(asked)  # FREE ones are left out too
    assert list(found.numbers) == expected
    shown = {field.name for number in found.numbers for field, _ in number.ListFields()}
    assert shown == {
        "number", "verdict", "pool", "policy", "reason", "quarantined_at", "clean_at",
        "last_event_at", "events_total", "overdue", "overridden", "observed_since", "expected_at",
    }  # fmt: skip


def test_a_list_of_none_is_empty(table: SmallTable) -> None:
    assert NumberList(table.segment).encode(np.empty(0, np.uint64), now=START) == b""


def test_a_long_check_takes_a_turn_for_each_slice_and_says_what_short_ones_say(
    table: SmallTable,
) -> None:
    async def test(service: NumberService, turns: CountedTurns) -> None:
        parts = (NUMBERS[begin : begin + 400] for begin in range(0, COUNT, 400))
        short = [await check(service, part) for part in parts]
        assert turns.slices == 0
        long = await check(service, NUMBERS)
        assert turns.slices >= 1 + COUNT / NUMBERS_MAX
        merged = pb.CheckNumbersResponse()
        for each in short:
            merged.MergeFrom(each)
        assert long == merged

    use(table, test)


def test_a_long_list_takes_a_turn_for_each_slice_and_has_each_number_once(
    table: SmallTable,
) -> None:
    async def test(service: NumberService, turns: CountedTurns) -> None:
        found, token = [], ""
        while True:
            before = turns.slices
            page = await list_page(service, page_size=10_000, page_token=token)
            found += [each.number for each in page.numbers]
            assert turns.slices - before >= len(page.numbers) / LISTED_MAX
            token = page.next_page_token
            if not token:
                break
        verdicts = (await check(service, NUMBERS)).verdicts
        tracked = zip(NUMBERS, verdicts, strict=True)
        assert found == [number for number, verdict in tracked if verdict != Verdict.UNTRACKED]

    use(table, test)


def test_a_list_that_finds_little_takes_a_turn_for_every_so_many_records(table: SmallTable) -> None:
    async def test(service: NumberService, turns: CountedTurns) -> None:
        page = await list_page(service, prefix=str(NUMBERS[-1]))
        assert len(page.numbers) <= 1
        assert turns.slices >= COUNT / RECORDS_MAX

    use(table, test)


def test_short_checks_are_answered_while_long_reads_wait(table: SmallTable) -> None:
    async def test(service: NumberService, turns: CountedTurns) -> None:
        free = threading.Event()
        busy = asyncio.ensure_future(turns.take(free.wait))
        long = [
            asyncio.ensure_future(check(service, NUMBERS)),
            asyncio.ensure_future(list_page(service, page_size=10_000)),
        ]
        assert len((await check(service, NUMBERS[:9])).verdicts) == 9
        assert not any(each.done() for each in long)
        free.set()
        await asyncio.gather(busy, *long)

    use(table, test)


def test_long_reads_of_several_callers_go_on_side_by_side(table: SmallTable) -> None:
    async def test(service: NumberService, turns: CountedTurns) -> None:
        longest = asyncio.ensure_future(check(service, list(NUMBERS) * 5))
        shorter = asyncio.ensure_future(check(service, NUMBERS[:5_000]))
        done, _ = await asyncio.wait({longest, shorter}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {shorter}
        await longest

    use(table, test)
