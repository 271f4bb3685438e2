"""Reservations: clean numbers, oldest first, leased to an allocator and then given.

Every number is evaluated again at the moment it is taken, and again when it is confirmed.
"""

import secrets
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from ringfence.engine.settings.policy import check_name
from ringfence.engine.table.header_rows import Numbers, numbers_of, pools_of, set_state, states_of
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue, KeptReservation
from ringfence.server.keeper.commands.command_fields import fill_change, read_numbers
from ringfence.server.keeper.commands.command_log import CommandLog, said
from ringfence.server.keeper.queue.candidates import Candidates
from ringfence.server.keeper.queue.scan_result import PoolSweep
from ringfence.server.keeper.reservations.leases import returned
from ringfence.server.keeper.reservations.reservation_messages import (
    COUNT_MAX,
    brief_message,
    check_reserve_request,
    lease_s,
    request_digest,
    reservation_message,
)
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_link import ACTOR
from ringfence.server.link.paging import page_position, page_size, page_token
from ringfence.server.link.refusal import (
    already_exists,
    bad_field,
    not_clean,
    too_few_clean,
    wrong_state,
)
from ringfence.server.link.routes import Answer, parse
from ringfence.server.state.keeper_state import KeeperState
from ringfence.server.state.reservation_book import ACTIVE, CANCELLED, CONFIRMED
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

LOOKS_MAX = 2  # for the order of a queue whose pool's rules change: then what was found is taken
PAGE_MAX = 1_000  # a list is made on the loop, so that all of a page is of one moment
STATES_MAX = 64  # each may be named more than once, within reason
_NOBODY = np.empty(0, np.uint64)  # which numbers, is known when it is decided

_Verdicts = npt.NDArray[np.uint8]


class _LookFirst(Exception):
    """Too few are among the candidates, or older ones may not be: before one is taken or that is
    said, the whole table has to be looked through.
    """


class ReservationService:
    """The reservation methods of NumberService."""

    def __init__(
        self, verdicts: VerdictReader, state: KeeperState, log: CommandLog, candidates: Candidates
    ) -> None:
        self._verdicts = verdicts
        self._state = state
        self._log = log
        self._candidates = candidates

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "ReserveNumbers": self.reserve_numbers,
            "ConfirmReservation": self.confirm_reservation,
            "ExtendReservation": self.extend_reservation,
            "CancelReservation": self.cancel_reservation,
            "GetReservation": self.get_reservation,
            "ListReservations": self.list_reservations,
        }

    async def reserve_numbers(self, message: bytes, context: Context) -> bytes:
        """Leases clean numbers: the oldest ones of a pool, or those that are named."""
        request = parse(pb.ReserveNumbersRequest, message)
        check_reserve_request(request)
        duration_s = lease_s(request)
        digest, actor = request_digest(request), said(context, ACTOR)
        given = np.fromiter(request.numbers, np.uint64, len(request.numbers))
        asked = read_numbers(given, COUNT_MAX) if len(given) else None
        repeated = self._state.reservations.asked_before(actor, request.request_id)
        pool = repeated.pool if repeated else self._state.decided.pool_index(request.pool)
        look: PoolSweep | None = None
        looks = 0

        def decide(value: KeeperValue) -> Message:
            before = self._state.reservations.asked_before(actor, request.request_id)
            if before is not None:
                if before.request_digest != digest:
                    raise already_exists("request_id", "made another reservation before")
                return pb.Reservation.FromString(before.first_response)
            refused: list[types_pb2.Refusal] = []
            if asked is None:
                if looks < LOOKS_MAX and not self._candidates.in_order(pool, request.prefix):
                    raise _LookFirst
                numbers = self._oldest(request, pool, value.decided_at, look)
            else:
                numbers, refused = self._named(request, pool, asked, value.decided_at)
            return self._reserve(
                value,
                numbers,
                refused,
                pool=pool,
                duration_s=duration_s,
                request_id=request.request_id,
                digest=digest,
            )

        about = _NOBODY if asked is None else asked
        while True:
            if asked is None and self._state.reservations.due(self._log.now(), 1):
                await self._log.begin_all_due()
                await self._log.settled()  # then their numbers are candidates again
            try:
                return await self._log.carry_out("ReserveNumbers", context, decide, about=about)
            except _LookFirst:
                if not looks:
                    await context.send_initial_metadata(())  # it takes long: pass others on
                look = await self._candidates.look(pool, request.prefix)
                looks += 1

    async def confirm_reservation(self, message: bytes, context: Context) -> bytes:
        """Gives the numbers of a reservation, as far as they are clean still."""
        request = parse(pb.ConfirmReservationRequest, message)

        def decide(value: KeeperValue) -> Message:
            kept = self._state.reservations.get(request.id)
            if kept.state == CONFIRMED:
                return self._message(kept)
            _check_active(kept)
            headers = returned(self._state, kept.numbers, value.decided_at)
            verdicts, _ = self._verdicts.check_as(headers, now=value.decided_at)
            clean = verdicts == Verdict.CLEAN
            refused = _refusals(numbers_of(headers[~clean]), verdicts[~clean])
            if not clean.any() or (refused and not request.allow_partial):
                raise not_clean(refused)
            set_state(headers, State.ASSIGNED, value.decided_at, clean)
            after = _ended(value, kept, CONFIRMED)
            after.refused.extend(refused)
            _replace_numbers(after, numbers_of(headers[clean]))
            fill_change(value, self._verdicts, headers, previous=Verdict.RESERVED)
            return self._message(after)

        return await self._log.carry_out("ConfirmReservation", context, decide, about=_NOBODY)

    async def extend_reservation(self, message: bytes, context: Context) -> bytes:
        """Gives a live reservation a new lease from now on."""
        request = parse(pb.ExtendReservationRequest, message)
        duration_s = lease_s(request)

        def decide(value: KeeperValue) -> Message:
            kept = self._state.reservations.get(request.id)
            _check_active(kept)
            after = value.reservations.add()
            after.CopyFrom(kept)
            after.expires_at = value.decided_at + duration_s
            value.row_reservations.extend([1] * len(kept.numbers))
            headers = returned(self._state, kept.numbers, value.decided_at)
            set_state(headers, State.RESERVED, after.expires_at)
            fill_change(value, self._verdicts, headers, previous=Verdict.RESERVED)
            return self._message(after)

        return await self._log.carry_out("ExtendReservation", context, decide, about=_NOBODY)

    async def cancel_reservation(self, message: bytes, context: Context) -> bytes:
        """Returns the numbers of a live reservation to quarantine."""
        request = parse(pb.CancelReservationRequest, message)

        def decide(value: KeeperValue) -> Message:
            kept = self._state.reservations.get(request.id)
            if kept.state == CANCELLED:
                return self._message(kept)
            _check_active(kept)
            after = _ended(value, kept, CANCELLED)
            headers = returned(self._state, kept.numbers, value.decided_at)
            fill_change(value, self._verdicts, headers, previous=Verdict.RESERVED)
            return self._message(after)

        return await self._log.carry_out("CancelReservation", context, decide, about=_NOBODY)

    async def get_reservation(self, message: bytes, _: Context) -> bytes:
        """One reservation; a live one names among `refused` what could not be confirmed now."""
        request = parse(pb.GetReservationRequest, message)
        await self._log.begin_all_due()
        kept = self._state.reservations.get(request.id)
        found = self._message(kept)
        if kept.state == ACTIVE:
            now = self._log.now()
            headers = returned(self._state, kept.numbers, now)
            verdicts = self._verdicts.check_as(headers, now=now)[0]
            bad = verdicts != Verdict.CLEAN
            found.refused.extend(_refusals(numbers_of(headers[bad]), verdicts[bad]))
        await self._log.settled()
        return found.SerializeToString()

    async def list_reservations(self, message: bytes, _: Context) -> bytes:
        """Reservations in the order in which they were made."""
        request = parse(pb.ListReservationsRequest, message)
        size = min(page_size(request.page_size), PAGE_MAX)
        pools = set()
        if request.pool:
            check_name("pool", request.pool)
            pools = {self._state.decided.pool_index(request.pool)}
        states = _states(request.states)
        question = ("ListReservations", request.pool, sorted(states))
        last = page_position(question, request.page_token)
        await self._log.begin_all_due()
        response = pb.ListReservationsResponse()
        page, behind = self._state.reservations.page(last, pools, states, size)
        response.reservations.extend(
            brief_message(entry, self._pool_name(entry.pool)) for entry in page
        )
        if behind:
            response.next_page_token = page_token(question, behind)
        await self._log.settled()
        return response.SerializeToString()

    def _oldest(
        self, request: pb.ReserveNumbersRequest, pool: int, now: int, look: PoolSweep | None
    ) -> Numbers:
        numbers = self._candidates.oldest_clean(pool, request.count, request.prefix, now, look)
        if len(numbers) < request.count and (look is None or not look.is_whole):
            raise _LookFirst
        if look is not None and len(numbers) < (1 if request.allow_partial else request.count):
            raise too_few_clean(
                request.pool,
                wanted=request.count,
                clean=len(numbers),
                next_clean_at=look.next_clean_at,
            )
        return numbers

    def _named(
        self, request: pb.ReserveNumbersRequest, pool: int, asked: Numbers, now: int
    ) -> tuple[Numbers, list[types_pb2.Refusal]]:
        headers = self._state.writer.header_rows(asked)
        present = (headers["key"] != 0) & (states_of(headers) != State.FREE)
        elsewhere = present & (pools_of(headers) != pool)
        if elsewhere.any():
            number = asked[int(elsewhere.argmax())]
            raise bad_field("numbers", f"value={number}, bound=a number of pool {request.pool}")
        verdicts, _ = self._verdicts.check(asked, now=now)
        free = states_of(headers) == State.QUARANTINED
        verdicts[(verdicts == Verdict.CLEAN) & ~free] = Verdict.RESERVED
        clean = verdicts == Verdict.CLEAN
        refused = _refusals(asked[~clean], verdicts[~clean])
        if refused and not (request.allow_partial and clean.any()):
            raise not_clean(refused)
        return asked[clean], refused

    def _reserve(
        self,
        value: KeeperValue,
        numbers: Numbers,
        refused: list[types_pb2.Refusal],
        *,
        pool: int,
        duration_s: int,
        request_id: str,
        digest: bytes,
    ) -> Message:
        book = self._state.reservations
        book.check_room(value.actor, len(numbers), len(refused))
        expires_at = value.decided_at + duration_s
        kept = value.reservations.add(
            id=f"{book.made:012x}-{secrets.token_hex(4)}",
            pool=pool,
            state=ACTIVE,
            numbers=numbers.tolist(),
            refused=refused,
            created_at=value.decided_at,
            expires_at=expires_at,
            actor=value.actor,
            request_id=request_id,
            request_digest=digest,
        )
        value.row_reservations.extend([1] * len(numbers))
        headers = self._state.writer.header_rows(numbers)
        set_state(headers, State.RESERVED, expires_at)
        fill_change(value, self._verdicts, headers, previous=Verdict.CLEAN)
        answer = self._message(kept)
        kept.first_response = answer.SerializeToString()
        return answer

    def _message(self, kept: KeptReservation) -> pb.Reservation:
        return reservation_message(kept, self._pool_name(kept.pool))

    def _pool_name(self, index: int) -> str:
        pool = self._state.decided.pool(index)
        return pool.name if pool else ""


def _check_active(kept: KeptReservation) -> None:
    if kept.state != ACTIVE:
        state = types_pb2.ReservationState.Name(kept.state).removeprefix("RESERVATION_STATE_")
        raise wrong_state(f"reservation {kept.id}", f"value={state}, bound=ACTIVE")


def _ended(
    value: KeeperValue, kept: KeptReservation, state: types_pb2.ReservationState
) -> KeptReservation:
    """Adds a reservation to the value as the command ends it; all rows are its numbers."""
    after = value.reservations.add()
    after.CopyFrom(kept)
    after.state = state
    after.ended_at = value.decided_at
    value.row_reservations.extend([1] * len(kept.numbers))
    return after


def _replace_numbers(after: KeptReservation, numbers: Numbers) -> None:
    after.ClearField("numbers")
    after.numbers.extend(numbers.tolist())


def _refusals(numbers: Numbers, verdicts: _Verdicts) -> list[types_pb2.Refusal]:
    return [
        types_pb2.Refusal(number=number, verdict=verdict)
        for number, verdict in zip(numbers.tolist(), verdicts.tolist(), strict=True)
    ]


def _states(given: Iterable[int]) -> set[int]:
    states = set()
    for index, state in enumerate(given):
        if index >= STATES_MAX or state not in types_pb2.ReservationState.values()[1:]:
            raise bad_field(f"states[{index}]", f"value={state}, bound=1 to 4")
        states.add(state)
    return states
