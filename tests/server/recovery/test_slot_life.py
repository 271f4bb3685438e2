"""Slots go from number to number in a server that dies: what was, is there after any start.

More numbers than there is room for, so slots change hands all the time, also behind snapshots.
RINGFENCE_EXAMPLES asks for a longer run.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.slot_server import SlotServer
from support.small_table import ALICE, BOB

from ringfence.engine.settings.policy import Policy, Rule
from ringfence.engine.table.header_rows import numbers_of, states_of
from ringfence.engine.words import EventKind, Measure, State
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.setting_messages import policy_message

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "8"))
CAPACITY_NUMBERS = 3
RING_ENTRIES = 60
NUMBERS = [447700900000 + n for n in range(6)]
TRACKED = {State.QUARANTINED, State.HELD, State.RESERVED}
FORMER_LIFE_S = 310
KEPT_S = 60  # of numbers that were handed out
CLEAN_AT_ONCE = Policy("default", (Rule(Measure.EVENTS, 1, 50),))

POOL = {"QuarantineNumbers": {"pool": "default"}}

numbers = st.sampled_from(NUMBERS)


class SlotLife(RuleBasedStateMachine):
    """A server, and what is known of its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ringfence-slots-")
        self.server: SlotServer | None = None
        self.states: dict[int, State] = {}
        self.left_at: dict[int, int] = {}
        """When each number was last tracked that is not."""
        self.came_at: dict[int, int] = {}
        """When each began to be tracked, the last time."""
        self.rings: dict[int, set[tuple[int, int]]] = {}
        """The calls to those that are: when, and whose."""

    @initialize()
    def begin(self) -> None:
        self.server = SlotServer(Path(self.folder.name), capacity_numbers=CAPACITY_NUMBERS)
        self.server.ask("PutPolicy", policy=policy_message(CLEAN_AT_ONCE))
        for number in NUMBERS[:CAPACITY_NUMBERS]:
            self.quarantine(number)

    @property
    def running(self) -> SlotServer:
        assert self.server is not None
        return self.server

    @rule(number=numbers)
    def quarantine(self, number: int) -> None:
        """A number comes, if it may and there is room."""
        state = self.states.get(number, State.FREE)
        early = number in self.left_at and self.running.now < self.left_at[number] + FORMER_LIFE_S
        wanted = (0, 1, 0) if state in TRACKED else (0, 0, 1) if early else (1, 0, 0)
        try:
            answer = self.running.ask("QuarantineNumbers", numbers=[number], pool="default")
        except Refusal as refusal:
            assert (refusal.reason, wanted) == ("TABLE_FULL", (1, 0, 0))
            assert state == State.FREE and len(self.states) == CAPACITY_NUMBERS
            return
        assert (answer.accepted, answer.already_quarantined, answer.rejected) == wanted
        if answer.accepted:
            assert state != State.FREE or len(self.states) < CAPACITY_NUMBERS
            self.states[number], self.rings[number] = State.QUARANTINED, set()
            self.came_at[number] = self.running.now
            self.left_at.pop(number, None)

    @rule(
        method=st.sampled_from(["RestoreNumbers", "RestoreNumbers", "HoldNumbers"]),
        number=numbers,
    )
    def operate(self, method: str, number: int) -> None:
        """A number goes back to its owner, and leaves; or it is held."""
        state = self.states.get(number, State.FREE)
        answer = self.running.ask(method, numbers=[number], note="why")
        if method == "HoldNumbers":
            assert bool(answer.changed) == (state in TRACKED)
            if answer.changed:
                self.states[number] = State.HELD
        elif state in {State.QUARANTINED, State.HELD}:
            assert answer.changed
            self.leave(number, State.FREE)

    def leave(self, number: int, state: State) -> None:
        self.left_at[number] = self.running.now
        del self.rings[number]
        self.states[number] = state
        if state == State.FREE:
            del self.states[number]

    @rule(number=numbers, confirm=st.booleans())
    def reserve(self, number: int, confirm: bool) -> None:
        """A number is reserved, and handed out or not."""
        if self.states.get(number) != State.QUARANTINED:
            return
        lease = {"seconds": 30 * 86_400}
        made = self.running.ask("ReserveNumbers", pool="default", numbers=[number], lease=lease)
        self.states[number] = State.RESERVED
        if confirm:
            self.running.ask("ConfirmReservation", id=made.id)
            self.leave(number, State.ASSIGNED)

    @rule()
    def depart(self) -> None:
        """Numbers that were handed out a while ago leave."""
        self.running.depart(KEPT_S)
        for number, state in list(self.states.items()):
            if state == State.ASSIGNED and self.left_at[number] <= self.running.now - KEPT_S:
                del self.states[number]

    @rule(
        called=st.lists(
            st.tuples(numbers, st.sampled_from([ALICE, BOB]), st.integers(-300, 40)),
            min_size=1,
            max_size=6,
        )
    )
    def call(self, called: list[tuple[int, int, int]]) -> None:
        """Somebody calls; some clocks are ahead, and some calls are of before."""
        now, accepted = self.running.now, 0
        for number, who, ago in called:
            tracked = self.states.get(number) in TRACKED
            if tracked and now - ago >= self.came_at[number]:
                self.rings[number].add((now - ago, who))
                accepted += 1
        events = [(number, who, now - ago, EventKind.CALL) for number, who, ago in called]
        assert self.running.call(events) == accepted

    @rule(seconds=st.sampled_from([1, 30, 100, 309, 310]))
    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.running.wait(seconds)

    @rule(leaves=numbers, comes=numbers, later=st.booleans())
    def give_on(self, leaves: int, comes: int, later: bool) -> None:
        """A number leaves with an event by a clock that is ahead, and another one comes."""
        self.call([(leaves, ALICE, -300)])
        self.operate("RestoreNumbers", leaves)
        if later:
            self.wait(FORMER_LIFE_S)
        self.quarantine(comes)
        self.call([(leaves, BOB, 0), (comes, BOB, 0)])

    @rule(
        leaves=numbers,
        comes=numbers,
        snapshots=st.integers(0, 3),
        reboot=st.booleans(),
        seconds=st.sampled_from([0, 309, 310]),
    )
    def come_back(
        self, leaves: int, comes: int, snapshots: int, reboot: bool, seconds: int
    ) -> None:
        """A number comes back soon after its slot was given on, with deaths in between."""
        self.give_on(leaves, comes, later=False)
        for _ in range(snapshots):
            self.snapshot()
        self.restart(reboot)
        self.wait(seconds)
        self.quarantine(leaves)

    @rule()
    def snapshot(self) -> None:
        """A snapshot is taken; the older one of two goes with the third."""
        self.running.snapshot()

    @rule(reboot=st.booleans())
    def restart(self, reboot: bool) -> None:
        """All is killed; the next start takes the segment over, or has the disk alone."""
        before = self.told()
        self.running.kill(reboot=reboot)
        source = self.running.start()
        assert (source == "memory") != reboot
        assert self.told() == before

    def told(self) -> tuple[object, ...]:
        """What must outlive every death."""
        writer = self.running.inside.writer
        headers = {number: writer.header(number) for number in NUMBERS}
        there = {n: header for n, header in headers.items() if header and header.state}
        kept = {n: header for n, header in there.items() if header.state != State.FREE}
        status = self.running.ask("GetStatus")
        numbers_told = status.numbers, status.capacity_numbers
        return kept, self.running.engine.state_hash(), numbers_told, writer.slots.in_use

    @invariant()
    def numbers_are_those_that_are_known(self) -> None:
        """And all slots are in use, on their way, or ready."""
        if self.server is None:
            return
        writer = self.running.inside.writer
        headers = {number: writer.header(number) for number in NUMBERS}
        found = {n: header.state for n, header in headers.items() if header}
        assert {n: state for n, state in found.items() if state != State.FREE} == self.states
        slots = writer.slots
        assert slots.in_use == len(self.states) == self.running.ask("GetStatus").numbers
        assert len(self.states) + slots.free + slots.leaving + slots.ready == CAPACITY_NUMBERS

    @invariant()
    def rings_are_those_of_their_numbers(self) -> None:
        """No ring has a call to another number, or of a former life that would count."""
        if self.server is None:
            return
        rows = self.running.engine.records()
        rows = rows[np.isin(states_of(rows), list(TRACKED))]
        times = {
            number: sorted(int(e) >> 32 for e in entries if int(e) >> 32 >= self.came_at[number])
            for number, entries in zip(numbers_of(rows).tolist(), rows["entries"], strict=True)
        }
        assert times == {
            number: sorted(time for time, _ in ring)[-RING_ENTRIES:]
            for number, ring in self.rings.items()
        }

    def teardown(self) -> None:
        """Ends the server."""
        if self.server is not None:
            self.server.close()
        self.folder.cleanup()


@pytest.mark.parametrize("snapshots", [0, 1, 2, 3])
@pytest.mark.parametrize("reboot", [False, True])
def test_number_whose_slot_was_given_on_comes_back_when_its_former_life_is_over(
    snapshots: int, reboot: bool
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="ringfence-slots-") as folder:
        server = SlotServer(Path(folder), capacity_numbers=1)
        first, other = NUMBERS[:2]
        for method, number in (
            ("QuarantineNumbers", first),
            ("RestoreNumbers", first),
            ("QuarantineNumbers", other),
            ("RestoreNumbers", other),
        ):
            server.ask(method, numbers=[number], **POOL.get(method, {}))
        assert server.inside.writer.header(first) is None
        for _ in range(snapshots):
            server.snapshot()
        server.kill(reboot=reboot)
        server.start()
        server.wait(FORMER_LIFE_S - 1)
        assert server.ask("QuarantineNumbers", numbers=[first], pool="default").rejected == 1
        server.wait(1)
        assert server.ask("QuarantineNumbers", numbers=[first], pool="default").accepted == 1
        server.close()


TestSlotLife = SlotLife.TestCase
TestSlotLife.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
