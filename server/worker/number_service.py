"""NumberService, the part that a worker answers from the segment: check, get and list.

What is long is done beside the loop, in slices of about 2 ms that take turns with those of others.
Place in the queue and reservation are the keeper's; without it they are left out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.wire import decode_check, encode_check
from ringfence.engine.memory.segment import Segment
from ringfence.engine.number import NUMBER_MAX, NUMBER_MIN, is_number
from ringfence.engine.settings.policy import check_name
from ringfence.engine.table.header_rows import Numbers
from ringfence.engine.verdict.listing import NumberList
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
from ringfence.server.link.routes import Answer, parse, parsing
from ringfence.server.link.turns import Turns
from ringfence.server.worker.number_messages import add_place, full_message
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

NUMBERS_A_SLICE = 2_048  # of a check
SHORT_CHECK_BYTES = 4_096  # about 500 numbers, which are checked at once
RECORDS_A_SLICE = 1 << 14  # of a list, and
LISTED_A_SLICE = 1_024
SLICES_MAX = 1 << 11  # then a page ends, be it empty: no call sweeps a whole large table
LOOKS_MAX = 10
VERDICTS_MAX = 64  # each may be named more than once, within reason
RECORD = re.compile(r"[0-9]{0,12}", re.ASCII)
LOOK_UP_NUMBER = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["LookUpNumber"]
_WITH_PLACE = (types_pb2.VERDICT_CLEAN, types_pb2.VERDICT_RESERVED)
PREFIX = re.compile(r"[1-9][0-9]{0,14}")


class NumberService:
    """Answers for numbers from the segment alone; works while the keeper is away.

    A VerdictReader serves one thread: there is one for the loop, and one for the thread of `turns`.
    """

    def __init__(
        self,
        segment: Segment,
        link: KeeperLink,
        settings: PublishedSettings,
        turns: Turns,
        clock: Callable[[], int],
    ) -> None:
        self._segment = segment
        self._verdicts = VerdictReader(segment)
        self._sliced = VerdictReader(segment)
        self._list = NumberList(segment)
        self._link = link
        self._settings = settings
        self._turns = turns
        self._clock = clock

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "CheckNumbers": self.check_numbers,
            "GetNumber": parsing(pb.GetNumberRequest, self.get_number),
            "ListNumbers": self.list_numbers,
        }

    async def check_numbers(self, message: bytes, _: Context) -> bytes:
        """Verdicts, clean_at and expected_at of up to 100,000 numbers, all at one time."""
        now = self._clock()
        if len(message) <= SHORT_CHECK_BYTES:
            numbers, at = _asked(message)
            return encode_check(*self._verdicts.check_expected(numbers, now=now, at=at))
        with self._turns.long_read() as read:
            numbers, at = await read.take(partial(_asked, message))
            slices = []
            for begin in range(0, len(numbers), NUMBERS_A_SLICE):
                part = numbers[begin : begin + NUMBERS_A_SLICE]
                check = partial(self._sliced.check_expected, part, now=now, at=at)
                slices.append(await read.take(check))
            return await read.take(partial(_encoded, slices))

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
            if self._segment.settings_generation == generation:
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
                add_place(number, LookUpNumberResponse.FromString(answer))

    async def list_numbers(self, message: bytes, _: Context) -> bytes:
        """A page of numbers in the order in which they came; 10,000 have less than 3 MiB."""
        request = parse(pb.ListNumbersRequest, message)
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
        select = partial(
            self._sliced.select,
            now=self._clock(),
            records_max=RECORDS_A_SLICE,
            pool=pool,
            verdicts=verdicts,
            overdue_only=request.overdue_only,
            prefix=request.prefix,
        )
        found, pieces = 0, []
        with self._turns.long_read() as read:
            for _slice in range(SLICES_MAX):
                wanted = min(LISTED_A_SLICE, size - found)
                listed, piece, record = await read.take(partial(self._look, select, record, wanted))
                found += listed
                pieces.append(piece)
                if record >= self._segment.numbers or found >= size:
                    break
        end = pb.ListNumbersResponse()
        if record < self._segment.numbers:
            end.next_page_token = page_token(question, str(record))
        return b"".join((*pieces, end.SerializeToString()))

    def _look(
        self, select: partial[tuple[Numbers, int]], record: int, wanted: int
    ) -> tuple[int, bytes, int]:
        """How many numbers a slice of a list has, these as bytes, and the record to go on from."""
        numbers, after = select(record, numbers_max=wanted)
        return len(numbers), self._list.encode(numbers, now=select.keywords["now"]), after


def _asked(message: bytes) -> tuple[Numbers, int]:
    """The numbers and the time that a check asks about; raises for an impossible number."""
    numbers, at = decode_check(message)
    wrong = (numbers < NUMBER_MIN) | (numbers > NUMBER_MAX)
    if wrong.any():
        index = int(wrong.argmax())
        raise _not_a_number(f"numbers[{index}]", int(numbers[index]))
    return numbers, at


def _encoded(slices: Sequence[tuple[npt.NDArray[np.generic], ...]]) -> bytes:
    return encode_check(*map(np.concatenate, zip(*slices, strict=True)))


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
