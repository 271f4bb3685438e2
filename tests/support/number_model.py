"""What the keeper must do with numbers and reservations, as a plain program over the oracle.

Like the oracle it is dumb on purpose: one record a number, one object a reservation, every rule
once. A refusal is the reason as a word.
"""

from dataclasses import dataclass, field

from oracle import TRACKED, Oracle, Record

from ringfence.engine.settings.policy import Policy, Pool
from ringfence.engine.words import State, Verdict
from support.feed_model import FeedModel

Refused = dict[int, Verdict]
FORMER_LIFE_S = 310  # after a number was last tracked it may be quarantined again
ON_THEIR_WAY = {Verdict.AGING, Verdict.NOISY, Verdict.UNOBSERVED}


class No(Exception):
    """A command is refused, for a reason of the contract."""

    def __init__(self, reason: str, **metadata: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.metadata = metadata


@dataclass
class Reservation:
    """One reservation as commands and time left it."""

    id: str
    pool: int
    numbers: list[int]
    expires_at: int
    created_at: int
    state: str = "ACTIVE"
    refused: list[tuple[int, Verdict]] = field(default_factory=list)


class NumberModel:
    """Numbers and reservations of one installation at one time."""

    def __init__(self, ring_entries: int, caller_key: bytes, now: int) -> None:
        self.oracle = Oracle(ring_entries, caller_key)
        self.reservations: dict[str, Reservation] = {}
        self.assigned: dict[int, tuple[int, int]] = {}  # when and from which pool, the last time
        self.assigned_total: dict[int, int] = {}
        self.feeds = FeedModel()
        self.now = now

    def publish(self, policies: list[Policy], pools: list[Pool]) -> None:
        """These settings hold from now on."""
        self.oracle.policies, self.oracle.pools = policies, pools
        self.oracle.feeds = self.feeds.feeds

    def verdict(self, number: int) -> Verdict:
        """The verdict now."""
        answer = self.oracle.answer(number, self.now, self.now)
        return answer.verdict if answer else Verdict.UNTRACKED

    def clean_at(self, number: int) -> int:
        """Its clean_at now; 0 = does not apply."""
        answer = self.oracle.answer(number, self.now, self.now)
        return answer.clean_at if answer else 0

    def expected_at(self, number: int) -> int:
        """Its expected_at now; 0 = does not apply."""
        answer = self.oracle.answer(number, self.now, self.now)
        return answer.expected_at if answer else 0

    def state(self, number: int) -> State:
        """Its state; FREE when it never was there."""
        record = self.oracle.records.get(number)
        return record.state if record else State.FREE

    def since(self, number: int) -> int:
        """When its state began."""
        return self.oracle.records[number].since

    def queue(self, pool: int, prefix: str = "") -> list[int]:
        """The clean numbers of a pool in the order in which they are handed out."""
        return sorted(
            (
                number
                for number, record in self.oracle.records.items()
                if record.pool == pool
                and str(number).startswith(prefix)
                and self.verdict(number) == Verdict.CLEAN
            ),
            key=lambda number: (self.clean_at(number), number),
        )

    def next_clean_at(self, pool: int, prefix: str) -> int:
        """The least expected_at of the numbers of a pool that are on their way; 0 = none is."""
        return min(
            (
                self.expected_at(number)
                for number, record in self.oracle.records.items()
                if record.pool == pool
                and str(number).startswith(prefix)
                and self.verdict(number) in ON_THEIR_WAY
            ),
            default=0,
        )

    def pass_time(self, now: int) -> None:
        """It is later; leases that are over end."""
        self.now = now
        for reservation in self.active():
            if reservation.expires_at <= now:
                self._end(reservation, "EXPIRED")

    def active(self) -> list[Reservation]:
        """The live reservations."""
        return [each for each in self.reservations.values() if each.state == "ACTIVE"]

    def quarantine(self, number: int, pool: int, quarantined_at: int, observed_since: int) -> str:
        """Says what became of a number that is to be quarantined."""
        record = self.oracle.records.get(number)
        if record and record.state in TRACKED:
            return "already"
        if record and quarantined_at < record.since + FORMER_LIFE_S:
            return "rejected"
        self.oracle.records[number] = Record(
            State.QUARANTINED, pool, quarantined_at, observed_since, since=self.now
        )
        return "accepted"

    def named(self, pool: int, asked: list[int], partial: bool) -> tuple[list[int], Refused]:
        """Which of these numbers a reservation takes, and which it leaves out."""
        for number in asked:
            if self.state(number) != State.FREE and self.oracle.records[number].pool != pool:
                raise No("BAD_FIELD")
        refused = {n: self.verdict(n) for n in asked if self.verdict(n) != Verdict.CLEAN}
        clean = [number for number in asked if number not in refused]
        if refused and not (partial and clean):
            raise No("NOT_CLEAN")
        return clean, refused

    def wanted(self, pool: int, count: int, prefix: str, partial: bool) -> list[int]:
        """The numbers that a reservation takes from the queue."""
        queue = self.queue(pool, prefix)
        if len(queue) < (1 if partial else count):
            following = self.next_clean_at(pool, prefix)
            raise No("TOO_FEW_CLEAN", clean=str(len(queue)), next_clean_at=str(following or ""))
        return queue[:count]

    def reserved(self, reservation: Reservation) -> None:
        """A reservation was made."""
        self.reservations[reservation.id] = reservation
        for number in reservation.numbers:
            self._change(number, State.RESERVED, reservation.expires_at)

    def unconfirmable(self, reservation: Reservation) -> Refused:
        """What of a live reservation could not be confirmed now, as if it were in quarantine."""
        found = {}
        for number in reservation.numbers:
            record = self.oracle.records[number]
            record.state = State.QUARANTINED
            if (verdict := self.verdict(number)) != Verdict.CLEAN:
                found[number] = verdict
            record.state = State.RESERVED
        return found

    def confirm(self, reservation: Reservation, partial: bool) -> None:
        """Hands the numbers out."""
        if reservation.state == "CONFIRMED":
            return
        self._check_active(reservation)
        refused = self.unconfirmable(reservation)
        clean = [number for number in reservation.numbers if number not in refused]
        if not clean or (refused and not partial):
            raise No("NOT_CLEAN")
        self._end(reservation, "CONFIRMED")
        for number in clean:
            self._change(number, State.ASSIGNED, self.now)
            self.assigned[number] = self.now, reservation.pool
        total = self.assigned_total.get(reservation.pool, 0)
        self.assigned_total[reservation.pool] = total + len(clean)
        reservation.numbers = clean
        reservation.refused += refused.items()

    def cancel(self, reservation: Reservation) -> None:
        """Gives the numbers back."""
        if reservation.state != "CANCELLED":
            self._check_active(reservation)
            self._end(reservation, "CANCELLED")

    def extend(self, reservation: Reservation, lease_s: int) -> None:
        """The lease begins anew."""
        self._check_active(reservation)
        reservation.expires_at = self.now + lease_s
        for number in reservation.numbers:
            self._change(number, State.RESERVED, reservation.expires_at)

    def operate(self, method: str, asked: list[int], pool: int = 0) -> tuple[list[int], Refused]:
        """What an operator's command changes (with those already so) and refuses."""
        before, after = {
            "HoldNumbers": ({State.QUARANTINED, State.RESERVED}, State.HELD),
            "UnholdNumbers": ({State.HELD}, State.QUARANTINED),
            "RestoreNumbers": ({State.QUARANTINED, State.HELD, State.RETIRED}, State.FREE),
            "RetireNumbers": ({State.QUARANTINED, State.HELD}, State.RETIRED),
            "OverrideNumbers": ({State.QUARANTINED}, None),
            "MoveNumbers": ({State.QUARANTINED, State.HELD}, None),
        }[method]
        changed, refused = [], {}
        for number in asked:
            state = self.state(number)
            if state == after != State.FREE:
                changed.append(number)
            elif state in before:
                changed.append(number)
                if after is not None:
                    self._leave(number, after)
                    last_tracked_at = self.now if state in TRACKED else self.since(number)
                    self._change(number, after, last_tracked_at)
                elif method == "MoveNumbers":
                    self.oracle.records[number].pool = pool
                else:
                    self._override(number)
            else:
                refused[number] = self.verdict(number)
        return changed, refused

    def depart(self, kept_s: int) -> None:
        """Numbers that ended long ago leave."""
        for number, record in self.oracle.records.items():
            ended = record.state in {State.ASSIGNED, State.RETIRED}
            if ended and record.since <= self.now - kept_s:
                self._change(number, State.FREE, record.since)

    def _override(self, number: int) -> None:
        answer = self.oracle.answer(number, self.now, self.now)
        assert answer is not None
        if not answer.overridden:
            self.oracle.records[number].override_at = self.now

    def _leave(self, number: int, state: State) -> None:
        for reservation in self.active():
            if number in reservation.numbers:
                assert state == State.HELD
                reservation.numbers.remove(number)
                reservation.refused.append((number, Verdict.HELD))

    def _end(self, reservation: Reservation, state: str) -> None:
        reservation.state = state
        for number in reservation.numbers:
            self._change(number, State.QUARANTINED, self.now)

    def _change(self, number: int, state: State, since: int) -> None:
        record = self.oracle.records[number]
        record.state, record.since = state, since

    @staticmethod
    def _check_active(reservation: Reservation) -> None:
        if reservation.state != "ACTIVE":
            raise No("WRONG_STATE")
