"""The engine equals the oracle while slots go from number to number.

The histories of `test_machine.py` in a table that is smaller than the numbers that they play with:
these come, leave, come back, and take each other's slots. The oracle knows of no slots.
RINGFENCE_EXAMPLES asks for a longer run.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from oracle import AHEAD_S_MAX, TIME_MAX, TRACKED
from support.asked_scan import answers
from support.engine_machine import NUMBERS, EngineMachine, numbers, observed_after

from ringfence.engine.table.writer import TableFull, TableWriter
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.words import FORMER_LIFE_S, State, Verdict

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "14"))
POOLS = range(3)


class LivesMachine(EngineMachine):
    """Three numbers in turn in two slots."""

    capacity_numbers = 2

    def in_use(self) -> set[int]:
        """The numbers that have a slot."""
        return {n for n, record in self.oracle.records.items() if record.state != State.FREE}

    def earliest_quarantine(self, number: int) -> int:
        """The table forgets this with the slot; the keeper does not, and the oracle neither."""
        record = self.oracle.records.get(number)
        if record is None or record.state in TRACKED:
            return 0
        return record.since + FORMER_LIFE_S

    @rule(
        number=numbers,
        pool=st.integers(0, 2),
        ago=st.integers(0, 10),
        observed_after_s=observed_after,
    )
    def quarantine(self, number: int, pool: int, ago: int, observed_after_s: int) -> None:
        """Puts a number into quarantine, if there is room."""
        used = self.in_use()
        early = self.earliest_quarantine(number) > self.now
        if number in used or early or len(used) < self.capacity_numbers:
            super().quarantine(number, pool, ago, observed_after_s)
            return
        with pytest.raises(TableFull, match="new numbers=1, free=0, capacity=2"):
            super().quarantine(number, pool, ago, observed_after_s)

    @rule(leaves=numbers, comes=numbers, pool=st.integers(0, 2), later=st.booleans())
    def give_on(self, leaves: int, comes: int, pool: int, later: bool) -> None:
        """A number leaves for good, and another one comes at once, or after a former life."""
        if leaves in self.in_use():
            record = self.oracle.records[leaves]
            record.ring.clear()
            self.set_state(leaves, record, State.FREE, self.now)
        if later:
            self.now = min(self.now + FORMER_LIFE_S, TIME_MAX - AHEAD_S_MAX - 1)
        self.quarantine(comes, pool, 0, 0)

    @rule(parted=st.integers(0, 2), emptied=st.integers(0, 2))
    def make_room(self, parted: int, emptied: int) -> None:
        """Slots go some of their way before anybody asks for them."""
        self.writer.slots.part(parted)
        self.writer.slots.empty(emptied)

    @rule()
    def replace(self) -> None:
        """The writer dies, and the next one finds slots as they are."""
        self.writer = TableWriter(self.writer.segment)

    @invariant()
    def slots_are_counted(self) -> None:
        """Each slot is in use, on its way, or ready."""
        if self.segment is not None:
            slots, used = self.writer.slots, len(self.in_use())
            assert slots.in_use == used
            assert used + slots.free + slots.leaving + slots.ready == self.capacity_numbers

    @invariant()
    def questions_equal_oracle(self) -> None:
        """The clean numbers of each pool, as reservations ask for them."""
        if self.segment is None:
            return
        told = {n: self.oracle.answer(n, self.now, self.now) for n in NUMBERS}
        clean = [(n, a) for n, a in told.items() if a and a.verdict == Verdict.CLEAN]
        found, _ = answers(self.segment, self.now, [Question(pool) for pool in POOLS])
        for pool in POOLS:
            assert found[pool] == sorted(
                (a.clean_at, n) for n, a in clean if self.oracle.records[n].pool == pool
            )


TestLivesMachine = pytest.mark.filterwarnings("error")(LivesMachine.TestCase)
TestLivesMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
