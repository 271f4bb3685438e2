"""All that one process does with a table, in one object: for tests, which do everything at once."""

import numpy as np
import numpy.typing as npt

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.records import records, state_hash
from ringfence.engine.verdict.reader import VerdictReader


class Engine:
    """Inserts events like a worker, asks like a client, looks at every record."""

    def __init__(
        self, segment: Segment, *, caller_key: bytes | None = None, worker: int = 0
    ) -> None:
        inserter = EventInserter(segment, caller_key=caller_key, worker=worker)
        verdicts = VerdictReader(segment)
        self.segment = segment
        self.insert = inserter.insert
        self.insert_decoded = inserter.insert_decoded
        self.repeat = inserter.repeat
        self.set_journalled = inserter.set_journalled
        self.check = verdicts.check
        self.check_expected = verdicts.check_expected
        self.check_as = verdicts.check_as
        self.explain = verdicts.explain
        self.select = verdicts.select

    def records(self) -> npt.NDArray[np.void]:
        """The records of the table."""
        return records(self.segment)

    def state_hash(self) -> bytes:
        """What tells tables apart."""
        return state_hash(self.segment)
