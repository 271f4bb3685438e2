"""The keeper equals the model over the whole life of numbers: any commands, calls and deaths.

Few numbers, short windows and leases on purpose. RINGFENCE_EXAMPLES asks for a longer run.
"""

import asyncio
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from support.brief_policies import policies
from support.feed_life import FeedLife
from support.keeper_inside import KEY, NOW, KeeperInside
from support.kept_image import stored, whole
from support.number_model import No, NumberModel, Reservation
from support.siphash import caller_mark

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Policy, Pool
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import DisconnectReason, EventKind, State, Verdict
from ringfence.server.journal.keeper_values import headers_of, keeper_values
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.numbers.departures import Departures
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.keeper_image import StoredImage
from ringfence.server.state.setting_messages import policy_message
from ringfence.v1 import types_pb2 as types

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "5"))
STEPS = 50
NUMBERS = [447700900000 + n for n in (0, 1, 2, 3, 100, 101, 102, 999)]
CALLERS = [0, 441632960001, 441632960002]
POOLS = ["default", "east", "west"]
KEPT_S = 400  # of numbers that left

pools = st.integers(1, 2)
some = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4)
leases = st.sampled_from([1, 5, 30, 30, 300, 3_000])
partial = st.booleans()
picks = st.integers(0, 10**6)


class NumberLife(FeedLife):
    """One installation, driven through a keeper and through the model at once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ringfence-life-")
        self.taken: list[bytes] = []
        self.requests: dict[tuple[str, str], tuple[dict[str, Any], Any]] = {}
        self.inside: KeeperInside | None = None

    def run(self, what: Any) -> Any:
        """Waits for something that the keeper does."""
        return self.loop.run_until_complete(asyncio.wait_for(what, 30))

    def ask(self, method: str, **fields: Any) -> Any:
        """The answer of the keeper."""
        assert self.inside is not None
        return self.run(self.inside.ask(method, **fields))

    def expect(self, reason: str, method: str, **fields: Any) -> dict[str, str]:
        """The keeper must refuse; the metadata that it gives."""
        try:
            answer = self.ask(method, **fields)
        except Refusal as refused:
            assert refused.reason == reason, (refused.reason, reason)
            info = ErrorInfo()
            refused.status().details[0].Unpack(info)
            return dict(info.metadata)
        raise AssertionError(f"{reason} wanted, but {answer}")

    @initialize(strict=policies("strict"), mild=policies("mild"))
    def begin(self, strict: Policy, mild: Policy) -> None:
        """Two pools with a policy each, beside those that an installation begins with."""
        self.journal = open_journal(Path(self.folder.name, "keeper"), identity=bytes(16))
        self.segment = Segment.create(None, capacity_numbers=16)
        self.model = NumberModel(12, KEY, NOW)
        self.policies = [strict, mild]
        self.open(StoredImage())
        assert self.inside is not None
        for policy in self.policies:
            self.ask("PutPolicy", policy=policy_message(policy))
        self.first = self.inside.keeper.state.published.policies[0]
        self.begin_feeds()
        for number in NUMBERS[:5]:
            self.quarantine([number], 1 + number % 2, 20 + number % 7, 0)

    def publish(self) -> None:
        """Tells the model which settings hold."""
        assert self.first is not None
        placed = [Pool("default", "default"), *map(self.pool, self.required)]
        self.model.publish([self.first, *self.policies], placed)

    def open(self, image: StoredImage) -> None:
        """A new keeper."""
        if self.inside is not None:
            self.run(self.inside.stop())
            self.model.feeds.die()
        self.inside = KeeperInside(self.segment, self.journal)
        self.inside.now = self.model.now
        self.run(self.inside.start(image))

    @rule(which=st.integers(0, 1), data=st.data())
    def put_policy(self, which: int, data: st.DataObject) -> None:
        """Replaces a policy."""
        policy = data.draw(policies(("strict", "mild")[which]))
        self.ask("PutPolicy", policy=policy_message(policy))
        self.policies[which] = policy
        self.publish()

    @rule(
        asked=some,
        pool=pools,
        ago=st.sampled_from([0, 0, 5, 100, 1_000]),
        late=st.sampled_from([0, 0, 0, 50, 5_000]),
    )
    def quarantine(self, asked: list[int], pool: int, ago: int, late: int) -> None:
        """Puts numbers into quarantine, now or a while ago."""
        quarantined_at = self.model.now - ago
        observed_since = min(quarantined_at + late, self.model.now)
        answer = self.ask(
            "QuarantineNumbers",
            numbers=asked,
            pool=POOLS[pool],
            quarantined_at=[quarantined_at],
            observed_since=[observed_since],
            reason=[DisconnectReason.INACTIVITY],
        )
        outcomes = [self.model.quarantine(n, pool, quarantined_at, observed_since) for n in asked]
        # Of a number that is asked for twice and cannot be, both are rejected.
        told = (answer.accepted, answer.already_quarantined, answer.rejected)
        assert told == tuple(outcomes.count(w) for w in ("accepted", "already", "rejected"))

    @rule(
        events=st.lists(
            st.tuples(
                st.sampled_from(NUMBERS),
                st.sampled_from(CALLERS),
                st.integers(0, 60) | st.sampled_from([-300, -299, -30]),
                st.sampled_from([EventKind.CALL, EventKind.CALL, EventKind.A2P_SMS]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    def insert(self, events: list[tuple[int, int, int, EventKind]]) -> None:
        """Somebody calls, by the clocks of switches: some are ahead."""
        assert self.inside is not None
        now = self.model.now
        called, caller, ago, kind = zip(*events, strict=True)
        inserted = self.inside.engine.insert(
            np.array(called, np.uint64),
            np.array(caller, np.uint64),
            np.array([now - each for each in ago], np.uint32),
            np.array(kind, np.int32),
            now=now,
        )
        told = [self.model.oracle.insert(n, c, now - a, k, now) for n, c, a, k in events]
        for (number, who, before, what), became in zip(events, told, strict=True):
            if became == "accepted":  # what a worker's journal has of it
                entry = (now - before) << 32 | caller_mark(KEY, who) << 8 | what
                self.taken.append(struct.pack("<QQ", number, entry))
        assert (inserted.accepted, inserted.untracked) == (
            told.count("accepted"),
            told.count("untracked"),
        )

    @rule(seconds=st.sampled_from([0, 1, 1, 5, 20, 100, 300]))
    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        assert self.inside is not None
        self.inside.now += seconds
        self.model.pass_time(self.inside.now)

    @rule(
        pool=pools,
        count=st.integers(1, 4),
        lease=leases,
        allow_partial=partial,
        prefix=st.sampled_from(["", "", "4477009000", "4477009001", "1"]),
        fresh=st.sampled_from([True, True, False]),
        actor=st.sampled_from(["", "bss"]),
        request_id=st.sampled_from(["", "a", "b", "c"]),
    )
    def reserve(
        self, pool: int, count: int, lease: int, prefix: str, fresh: bool, **fields: Any
    ) -> None:
        """Reserves the oldest ones; what was seen of them lately may be all that is looked at."""
        assert self.inside is not None
        asked = {**fields, "pool": POOLS[pool], "count": count, "prefix": prefix}
        asked["lease"] = {"seconds": lease}
        if self.is_repeated(asked):
            return
        if fresh:
            self.run(self.inside.keeper.candidates.look(pool, ""))
        queue = self.model.queue(pool, prefix)
        try:
            wanted = self.model.wanted(pool, count, prefix, fields["allow_partial"])
        except No as no:
            assert self.expect(no.reason, "ReserveNumbers", **asked) == no.metadata
            return
        made = self.ask("ReserveNumbers", **asked)
        if fresh:
            assert list(made.numbers) == wanted
        assert len(made.numbers) == len(set(made.numbers)) == len(wanted)
        assert set(made.numbers) <= set(queue)
        assert not made.refused
        self.made(asked, made, pool)

    @rule(
        pool=pools,
        numbers=some,
        lease=leases,
        allow_partial=partial,
        actor=st.sampled_from(["", "bss"]),
        request_id=st.sampled_from(["", "a", "b", "c"]),
    )
    def reserve_named(self, pool: int, numbers: list[int], lease: int, **fields: Any) -> None:
        """Reserves numbers by name."""
        asked = {**fields, "pool": POOLS[pool], "numbers": numbers, "lease": {"seconds": lease}}
        if self.is_repeated(asked):
            return
        try:
            clean, refused = self.model.named(
                pool, list(dict.fromkeys(numbers)), fields["allow_partial"]
            )
        except No as no:
            self.expect(no.reason, "ReserveNumbers", **asked)
            return
        made = self.ask("ReserveNumbers", **asked)
        assert list(made.numbers) == clean
        assert {each.number: each.verdict for each in made.refused} == refused
        self.made(asked, made, pool)

    def is_repeated(self, asked: dict[str, Any]) -> bool:
        """Whether the request id was used before; then the keeper says what it must."""
        before = self.requests.get((asked["actor"], asked["request_id"]))
        if not asked["request_id"] or before is None:
            return False
        if before[0] == asked:
            assert self.ask("ReserveNumbers", **asked) == before[1]
        else:
            self.expect("ALREADY_EXISTS", "ReserveNumbers", **asked)
            assert self.ask("ReserveNumbers", **before[0]) == before[1]
        return True

    def made(self, asked: dict[str, Any], made: Any, pool: int) -> None:
        """A reservation was made."""
        assert (made.pool, made.count) == (POOLS[pool], len(made.numbers))
        assert made.created_at.seconds == self.model.now
        assert made.expires_at.seconds == self.model.now + asked["lease"]["seconds"]
        assert made.id not in self.model.reservations
        if asked["request_id"]:
            self.requests[asked["actor"], asked["request_id"]] = asked, made
        self.model.reserved(
            Reservation(
                made.id,
                pool,
                list(made.numbers),
                made.expires_at.seconds,
                self.model.now,
                refused=[(each.number, Verdict(each.verdict)) for each in made.refused],
            )
        )

    def pick(self, which: int) -> Reservation:
        """One of the reservations, rather a live one."""
        some = (which % 4 and self.model.active()) or list(self.model.reservations.values())
        return some[which // 4 % len(some)]

    def change(self, method: str, reservation: Reservation, decide: Any, **fields: Any) -> None:
        """A command about a reservation: the same answer or the same refusal."""
        try:
            decide()
        except No as no:
            self.expect(no.reason, method, id=reservation.id, **fields)
        else:
            self.check(self.ask(method, id=reservation.id, **fields), reservation)

    @precondition(lambda self: self.inside and self.model.reservations)
    @rule(which=picks, allow_partial=partial)
    def confirm(self, which: int, allow_partial: bool) -> None:
        """Hands numbers out."""
        reservation = self.pick(which)
        self.change(
            "ConfirmReservation",
            reservation,
            lambda: self.model.confirm(reservation, allow_partial),
            allow_partial=allow_partial,
        )

    @precondition(lambda self: self.inside and (self.model.queue(1) or self.model.queue(2)))
    @rule(
        most=st.integers(1, 3),
        first=st.sampled_from(["call", "call", "hold", "wait"]),
        calls=st.integers(1, 4),
        then=st.sampled_from(["confirm", "confirm", "cancel", "wait"]),
        allow_partial=partial,
    )
    def disturb(self, most: int, first: str, calls: int, then: str, allow_partial: bool) -> None:
        """Something happens to a reserved number before its reservation ends."""
        pool = 1 if self.model.queue(1) else 2
        wanted = self.model.queue(pool)[:most]
        fields = {"allow_partial": False, "actor": "", "request_id": ""}
        self.reserve_named(pool, wanted, 30, **fields)
        reservation = self.model.active()[-1]
        number = reservation.numbers[-1]
        if first == "call":
            self.insert([(number, CALLERS[n % 3], n // 2, EventKind.CALL) for n in range(calls)])
        elif first == "hold":
            self.operate("HoldNumbers", [number], 0)
        else:
            self.wait(5)
        if then == "confirm":
            self.change(
                "ConfirmReservation",
                reservation,
                lambda: self.model.confirm(reservation, allow_partial),
                allow_partial=allow_partial,
            )
        elif then == "cancel":
            self.change("CancelReservation", reservation, lambda: self.model.cancel(reservation))
        else:
            self.wait(1)

    @precondition(lambda self: self.inside and self.model.reservations)
    @rule(which=picks)
    def cancel(self, which: int) -> None:
        """Gives numbers back."""
        reservation = self.pick(which)
        self.change("CancelReservation", reservation, lambda: self.model.cancel(reservation))

    @precondition(lambda self: self.inside and self.model.reservations)
    @rule(which=picks, lease=leases)
    def extend(self, which: int, lease: int) -> None:
        """Prolongs or shortens a lease."""
        reservation = self.pick(which)
        self.change(
            "ExtendReservation",
            reservation,
            lambda: self.model.extend(reservation, lease),
            lease={"seconds": lease},
        )

    @rule(
        method=st.sampled_from(
            ["Hold", "Unhold", "Restore", "Retire", "Override", "Move", "Unhold", "Override"]
        ).map(lambda verb: f"{verb}Numbers"),
        asked=some,
        pool=pools,
    )
    def operate(self, method: str, asked: list[int], pool: int) -> None:
        """An operator's command."""
        fields = {"pool": POOLS[pool]} if method == "MoveNumbers" else {}
        distinct = list(dict.fromkeys(asked))
        refused_first = {n: self.model.verdict(n) for n in distinct}
        changed, refused = self.model.operate(method, distinct, pool)
        answer = self.ask(method, numbers=asked, note="why", **fields)
        assert list(answer.changed) == changed
        assert {each.number: each.verdict for each in answer.refused} == refused
        assert all(refused_first[number] == verdict for number, verdict in refused.items())

    @rule()
    def depart(self) -> None:
        """What ended a while ago leaves the table."""
        assert self.inside is not None
        keeper = self.inside.keeper
        self.run(Departures(self.inside.engine, keeper.state, keeper.log, kept_s=KEPT_S).let_go())
        self.model.depart(KEPT_S)

    @rule(from_image=st.booleans())
    def replace(self, from_image: bool) -> None:
        """The keeper dies, and another takes over the table as it is."""
        self.open(self.image() if from_image else StoredImage())

    @rule(from_image=st.booleans())
    def rebuild(self, from_image: bool) -> None:
        """Everything dies: the table is made again, from what is durable."""
        image = self.image() if from_image else StoredImage()
        self.segment = Segment.create(None, capacity_numbers=16)
        writer = TableWriter(self.segment)
        for position, value in keeper_values(self.journal, 0):
            if position <= whole(image).position:
                writer.apply(headers_of(value))
                writer.set_applied(position)
        self.open(image)
        assert self.inside is not None
        for taken in self.taken:
            self.inside.engine.repeat(taken)

    @rule(
        number=st.sampled_from(NUMBERS),
        pool=pools,
        later_s=st.sampled_from([0, 10, 309, 310]),
        ahead_s=st.sampled_from([1, 10, 300]),
        from_image=st.booleans(),
    )
    def come_back(
        self, number: int, pool: int, later_s: int, ahead_s: int, from_image: bool
    ) -> None:
        """A number leaves with an event of a clock that is ahead, and is to come back soon."""
        self.insert([(number, CALLERS[1], -ahead_s, EventKind.CALL)])
        self.operate("RestoreNumbers", [number], pool)
        self.wait(later_s)
        self.quarantine([number], pool, 0, 0)
        self.wait(10)
        self.rebuild(from_image)

    def image(self) -> StoredImage:
        """The keeper's state as a snapshot has it."""
        assert self.inside is not None
        keeper = self.inside.keeper
        moment = keeper.state.moment()

        async def position() -> int:
            return await keeper.log.position()

        return stored(moment, self.run(position()))

    @invariant()
    def numbers_agree(self) -> None:
        """The same verdicts and moments, reserved in the table as in the reservations."""
        if self.inside is None:
            return
        listed = self.ask("ListReservations")  # leases that are over end with it
        assert [entry.id for entry in listed.reservations] == list(self.model.reservations)
        told = self.inside.engine.check_expected(np.array(NUMBERS, np.uint64), now=self.model.now)
        for number, verdict, *moments in zip(NUMBERS, *told, strict=True):
            assert verdict == self.model.verdict(number)
            assert moments == [self.model.clean_at(number), self.model.expected_at(number)]
            header = self.inside.writer.header(number)
            assert (header.state if header else State.FREE) == self.model.state(number)
        held = [number for each in self.model.active() for number in each.numbers]
        assert len(held) == len(set(held))
        assert set(held) == {n for n in NUMBERS if self.model.state(n) == State.RESERVED}
        holder = self.inside.keeper.state.reservations.holder
        assert [number for number in NUMBERS if holder(number)] == sorted(held)

    @invariant()
    def reservations_agree(self) -> None:
        """The same reservations; a live one tells what could not be confirmed now."""
        if self.inside is not None:
            for reservation in self.model.reservations.values():
                self.check(self.ask("GetReservation", id=reservation.id), reservation, look=True)

    @invariant()
    def counts_agree(self) -> None:
        """The same hand-outs, for complaints."""
        if self.inside is not None:
            state = self.inside.keeper.state
            assert +state.assigned_total == self.model.assigned_total
            handed_out = {
                number: found[:2]
                for number in NUMBERS
                if (found := state.hand_outs.find(number, self.model.now))
            }
            assert handed_out == self.model.assigned

    def check(self, told: Any, reservation: Reservation, *, look: bool = False) -> None:
        """What the keeper tells of a reservation is what the model knows."""
        assert told.id == reservation.id
        assert types.ReservationState.Name(told.state) == f"RESERVATION_STATE_{reservation.state}"
        assert list(told.numbers) == reservation.numbers
        assert told.count == len(reservation.numbers)
        assert told.expires_at.seconds == reservation.expires_at
        assert told.created_at.seconds == reservation.created_at
        refused = list(reservation.refused)
        if look and reservation.state == "ACTIVE":
            refused += self.model.unconfirmable(reservation).items()
        assert [(each.number, each.verdict) for each in told.refused] == refused

    def teardown(self) -> None:
        """Ends the keeper."""
        if self.inside is not None:
            self.run(self.inside.stop())
            self.journal.close()
        self.loop.close()
        self.folder.cleanup()


TestNumberLife = pytest.mark.slow(NumberLife.TestCase)
TestNumberLife.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
