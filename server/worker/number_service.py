"""NumberService, the part that a worker answers from the segment: check, get and list.

Place in the queue and reservation are the keeper's; without it they are left out.
"""

import asyncio
import re
from collections.abc import Callable, Mapping

from ringfence.engine.events.wire import decode_check, encode_check
from ringfence.engine.number import NUMBER_MAX, NUMBER_MIN, is_number
from ringfence.engine.settings.policy import check_name
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import Verdict
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_service_pb2 import (
    DESCRIPTOR,
    LookUpNumberRequest,
    LookUpNumberResponse,
)
from ringfence.server.link.paging import page_position, page_size, page_token
from ringfence.server.link.refusal import bad_field, keeper_away
from ringfence.server.link.routes import Answer, parsing
from ringfence.server.worker.number_messages import brief_message, full_message
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

RECORDS_A_STEP = 1 << 19  # a few milliseconds without the event loop
STEPS_MAX = 64  # then a page ends, be it empty: no call sweeps a whole large table
NUMBERS_A_TURN = 500  # then other calls get theirs
LOOKS_MAX = 10
VERDICTS_MAX = 64  # each may be named more than once, within reason
RECORD = re.compile(r"[0-9]{0,12}", re.ASCII)
LOOK_UP_NUMBER = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["LookUpNumber"]
_WITH_PLACE = (types_pb2.VERDICT_CLEAN, types_pb2.VERDICT_RESERVED)
PREFIX = re.compile(r"[1-9][0-9]{0,14}")


class NumberService:
    """Answers for numbers from the segment alone; works while the keeper is away.

    An verdicts serves one thread at a time. `sweeper` is for the threads in which lists look
    through the table, one at a time; `verdicts` for everything else, in the event loop.
    """

    def __init__(
        self,
        verdicts: VerdictReader,
        sweeper: VerdictReader,
        link: KeeperLink,
        settings: PublishedSettings,
        clock: Callable[[], int],
    ) -> None:
        self._verdicts = verdicts
        self._sweeper = sweeper
        self._link = link
        self._one_sweep = asyncio.Lock()
        self._settings = settings
        self._clock = clock

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "CheckNumbers": self.check_numbers,
            "GetNumber": parsing(pb.GetNumberRequest, self.get_number),
            "ListNumbers": parsing(pb.ListNumbersRequest, self.list_numbers),
        }

    async def check_numbers(self, message: bytes, _: Context) -> bytes:
        """Verdicts, clean_at and expected_at of up to 100,000 numbers."""
        numbers, at = decode_check(message)
        wrong = (numbers < NUMBER_MIN) | (numbers > NUMBER_MAX)
        if wrong.any():
            index = int(wrong.argmax())
            raise _not_a_number(f"numbers[{index}]", int(numbers[index]))
        answers = self._verdicts.check_expected(numbers, now=self._clock(), at=at)
        return encode_check(*answers)

    async def get_number(self, request: pb.GetNumberRequest) -> pb.Number:
        """One number explained."""
        if not is_number(request.number):
            raise _not_a_number("number", request.number)
        now = self._clock()
        for _ in range(LOOKS_MAX):
            generation = self._settings.refresh()
            explanation = self._verdicts.explain(request.number, now=now, at=request.at)
            if explanation is None:
                return pb.Number(number=request.number, verdict=types_pb2.VERDICT_UNTRACKED)
            if self._verdicts.segment.settings_generation == generation:
                pool = self._settings.pool(explanation.pool)
                number = full_message(explanation, pool, self._settings.policy_of(pool))
                await self._add_place(number)
                return number
        raise keeper_away("the settings kept changing")

    async def _add_place(self, number: pb.Number) -> None:
        """Adds what only the keeper knows; without it that stays empty."""
        if number.verdict in _WITH_PLACE:
            answer = await self._link.glance(
                LOOK_UP_NUMBER, LookUpNumberRequest(number=number.number).SerializeToString()
            )
            if answer is not None:
                place = LookUpNumberResponse.FromString(answer)
                number.reservation = place.reservation
                number.queue_position = place.queue_position

    async def list_numbers(self, request: pb.ListNumbersRequest) -> pb.ListNumbersResponse:
        """A page of numbers in the order in which they came; 10,000 have less than 3 MiB."""
        self._settings.refresh()
        size = page_size(request.page_size)
        pool = -1
        if request.pool:
            check_name("pool", request.pool)
            pool = self._settings.pool_index(request.pool)
        verdicts = _verdict_bits(request)
        if request.prefix and not PREFIX.fullmatch(request.prefix):
            raise bad_field(
                "prefix", f"value={request.prefix[:40]!r}, bound=1 to 15 digits, no +, no leading 0"
            )
        question = ("ListNumbers", request.pool, verdicts, request.overdue_only, request.prefix)
        record = _record(page_position(question, request.page_token))
        now = self._clock()
        response = pb.ListNumbersResponse()
        for _ in range(STEPS_MAX):
            async with self._one_sweep:
                numbers, record = await asyncio.to_thread(
                    self._sweeper.select,
                    record,
                    now=now,
                    numbers_max=min(NUMBERS_A_TURN, size - len(response.numbers)),
                    records_max=RECORDS_A_STEP,
                    pool=pool,
                    verdicts=verdicts,
                    overdue_only=request.overdue_only,
                    prefix=request.prefix,
                )
            for number in numbers.tolist():
                explanation = self._verdicts.explain(number, now=now)
                self._settings.refresh()  # its pool was published before the number joined it
                if explanation is not None:
                    place = self._settings.pool(explanation.pool)
                    response.numbers.append(brief_message(explanation, place))
            if record >= self._verdicts.segment.numbers or len(response.numbers) >= size:
                break
        if record < self._verdicts.segment.numbers:
            response.next_page_token = page_token(question, str(record))
        return response


def _record(position: str) -> int:
    if not RECORD.fullmatch(position):
        raise bad_field("page_token", "value=made up, bound=next_page_token")
    return int(position or 0)


def _verdict_bits(request: pb.ListNumbersRequest) -> int:
    bits = 0
    if len(request.verdicts) > VERDICTS_MAX:
        raise bad_field("verdicts", f"value={len(request.verdicts)}, bound={VERDICTS_MAX}")
    for index, verdict in enumerate(request.verdicts):
        if not 1 <= verdict <= max(Verdict):
            raise bad_field(f"verdicts[{index}]", f"value={verdict}, bound=1 to {max(Verdict):d}")
        bits |= 1 << verdict
    return bits


def _not_a_number(field: str, value: int) -> Exception:
    return bad_field(field, f"value={value}, bound=7 to 15 digits")
