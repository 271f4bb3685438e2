"""The journal does what a list does, whatever is appended, let go, reopened and replayed."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.journal_answers import IDENTITY, append, until

from ringfence.server.journal import lmdb_journal as journal_lmdb
from ringfence.server.journal.journal import JournalDamaged, JournalTruncated
from ringfence.server.journal.lmdb_journal import check_journal, open_journal

pytestmark = pytest.mark.slow

sizes = st.integers(0, 300) | st.sampled_from([1_990, 2_040, 4_080, 9_000, 70_000])


class JournalMachine(RuleBasedStateMachine):
    """A journal beside the list of all that was ever appended."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(journal_lmdb, "READ_MAX_VALUES", 3)
        self.patch.setattr(journal_lmdb, "DROP_MAX_VALUES", 2)
        self.parent = Path(tempfile.mkdtemp())

    @initialize()
    def open(self) -> None:
        self.journal = open_journal(self.parent / "0", map_size_bytes=64 << 20, identity=IDENTITY)
        self.values: list[bytes] = []
        self.first = 1
        self.drop_upto = 0

    @rule(appended=st.lists(st.tuples(sizes, st.integers(0, 255)), min_size=1, max_size=8))
    def append(self, appended: list[tuple[int, int]]) -> None:
        values = [bytes([byte]) * size for size, byte in appended]
        told = append(self.journal, *values)
        assert told == list(range(len(self.values) + 1, len(self.values) + len(values) + 1))
        self.values += values
        self.dropped()

    @rule(upto=st.integers(-2, 60))
    def truncate(self, upto: int) -> None:
        self.journal.truncate(upto)
        self.drop_upto = max(self.drop_upto, min(upto, len(self.values)))
        self.dropped()

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        assert check_journal(self.parent / "0", identity=IDENTITY) == []
        self.journal = open_journal(self.parent / "0", map_size_bytes=64 << 20, identity=IDENTITY)
        self.drop_upto = 0

    @rule(after=st.integers(0, 70))
    def replay(self, after: int) -> None:
        if after > len(self.values):
            with pytest.raises(JournalDamaged):
                list(self.journal.replay(after))
        elif after + 1 < self.first:
            with pytest.raises(JournalTruncated):
                list(self.journal.replay(after))
        else:
            expected = list(enumerate(self.values, 1))[after:]
            assert list(self.journal.replay(after)) == expected

    @invariant()
    def ends_are_known(self) -> None:
        assert (self.journal.first, self.journal.last) == (self.first, len(self.values))
        assert self.journal.writable

    def dropped(self) -> None:
        self.first = max(self.first, min(self.drop_upto, len(self.values) - 1) + 1)
        until(lambda: self.journal.first == self.first)

    def teardown(self) -> None:
        self.journal.close()
        self.patch.undo()
        shutil.rmtree(self.parent)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
