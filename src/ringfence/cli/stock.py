"""The stock on its way into quarantine: what is known of it before, and what became of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from ringfence import Client, DisconnectReason, NumberRejection, QuarantineResult, Verdict
from ringfence.cli.number_rows import Numbers

SHOWN_MAX = 10
SENT_AT_ONCE = 16_384  # each is durable when it is answered, and counted
_ASKED_AT_ONCE = 100_000
_REJECTIONS_TOLD = 100  # the server names no more of a call

Rows = npt.NDArray[np.intp]
Told = Callable[[int], None]
"""Is told how many numbers are dealt with so far."""


@dataclass(frozen=True)
class Known:
    """What the server has of the numbers before anything is sent: a verdict for each."""

    verdict: npt.NDArray[np.uint8]

    def count(self, *verdicts: Verdict) -> int:
        """How many have one of these."""
        return int(np.count_nonzero(np.isin(self.verdict, verdicts)))

    @property
    def staying(self) -> npt.NDArray[np.bool_]:
        """Those that are in quarantine already, and stay as they are."""
        others = (Verdict.UNTRACKED, Verdict.ASSIGNED, Verdict.RETIRED)
        return ~np.isin(self.verdict, others)

    @property
    def returning(self) -> npt.NDArray[np.bool_]:
        """Those that were handed out or taken out of use, and would come back."""
        return np.isin(self.verdict, (Verdict.ASSIGNED, Verdict.RETIRED))


def look_up(client: Client, numbers: Numbers, told: Told) -> Known:
    """Asks for the verdict of each number."""
    verdict = np.empty(len(numbers), np.uint8)
    for begin in range(0, len(numbers), _ASKED_AT_ONCE):
        asked = numbers.number[begin : begin + _ASKED_AT_ONCE]
        checked = client.check_numbers(asked)
        verdict[begin : begin + len(asked)] = [each.verdict for each in checked]
        told(begin + len(asked))
    return Known(verdict)


@dataclass(frozen=True)
class Filled:
    """Numbers with all that is said of them; a time of 0 is now, as nothing says otherwise."""

    numbers: Numbers
    moved: npt.NDArray[np.bool_]
    """Those whose observed_since lay before quarantined_at, which it now is."""


def filled(
    numbers: Numbers, quarantined_at: int | None, observed_since: int | None, reason: str | None
) -> Filled:
    """The numbers with the options' values where the file says nothing."""

    def fill(column: npt.NDArray[np.uint32], value: int | None) -> npt.NDArray[np.uint32]:
        return np.where(column == 0, np.uint32(value or 0), column)

    began = fill(numbers.quarantined_at, quarantined_at)
    observed = fill(numbers.observed_since, observed_since)
    # 0 is now, so that all that is observed before it is too early.
    early = (observed != 0) & ((began == 0) | (observed < began))
    whole = replace(
        numbers,
        quarantined_at=began,
        observed_since=np.where(early, began, observed),
        reason=np.where(
            numbers.reason == 0, DisconnectReason[reason or "UNSPECIFIED"], numbers.reason
        ),
    )
    return Filled(whole, early)


@dataclass(frozen=True)
class Twice:
    """Rows of numbers that stand elsewhere too, and are not sent."""

    count: int
    differing: int
    """Those that say something else of their number than the row that is sent."""
    shown: tuple[tuple[int, int, int], ...]
    """Number, line of the one that is sent and line of the other, of the first of these."""


def once(numbers: Numbers, quarantined_at: int | None) -> tuple[Numbers, Twice]:
    """Each number once, as it stands where its quarantine began last, and what was left out: its
    last subscriber left then. `quarantined_at` is what counts where the file says nothing.
    """
    began = numbers.quarantined_at.astype(np.int64)
    began[began == 0] = quarantined_at or np.iinfo(np.int64).max  # now
    order = np.lexsort((-began, numbers.number))  # stable: the first of those that began together
    _, firsts, of = np.unique(numbers.number[order], return_index=True, return_inverse=True)
    sent = order[firsts]
    again = np.ones(len(numbers), bool)
    again[sent] = False
    instead = np.empty(len(numbers), np.intp)
    instead[order] = sent[of]
    rows = np.flatnonzero(again)
    differs = np.zeros(len(rows), bool)
    for name in ("quarantined_at", "observed_since", "reason", "pool"):
        column = getattr(numbers, name)
        differs |= column[rows] != column[instead[rows]]
    shown = tuple(
        (int(numbers.number[row]), int(numbers.line[instead[row]]), int(numbers.line[row]))
        for row in islice(rows[differs], SHOWN_MAX)
    )
    kept = chosen(numbers, ~again) if len(rows) else numbers
    return kept, Twice(len(rows), int(np.count_nonzero(differs)), shown)


def chosen(numbers: Numbers, rows: npt.NDArray[np.bool_]) -> Numbers:
    """Some of the numbers."""
    columns = ("number", "quarantined_at", "observed_since", "reason", "pool", "line")
    return replace(numbers, **{name: getattr(numbers, name)[rows] for name in columns})


@dataclass
class Sending:
    """Numbers that are sent piece by piece; what was answered is durable."""

    client: Client
    numbers: Numbers
    default_pool: str
    answered: int = 0
    accepted: int = 0
    already_quarantined: int = 0
    rejected: int = 0
    refused: dict[int, tuple[int, str]] = field(default_factory=dict)
    """By row: the number, and why the server refused it."""

    def run(self, told: Told) -> None:
        """Sends everything; raises the client's errors, and what was answered stays counted."""
        for pool, rows in _groups(self.numbers):
            for begin in range(0, len(rows), SENT_AT_ONCE):
                self._send(pool, rows[begin : begin + SENT_AT_ONCE])
                told(self.answered)

    def _send(self, pool: str, rows: Rows) -> None:
        result = self._ask(pool, rows)
        self.answered += len(rows)
        self.accepted += result.accepted
        self.already_quarantined += result.already_quarantined
        self.rejected += result.rejected
        if result.rejected <= len(result.rejections):
            self._keep(rows, result.rejections)
            return
        # Asked again in parts so small that all refused ones are named; others stay as they are.
        for begin in range(0, len(rows), _REJECTIONS_TOLD):
            part = rows[begin : begin + _REJECTIONS_TOLD]
            self._keep(part, self._ask(pool, part).rejections)

    def _ask(self, pool: str, rows: Rows) -> QuarantineResult:
        began, observed = self.numbers.quarantined_at[rows], self.numbers.observed_since[rows]
        return self.client.quarantine_numbers(
            self.numbers.number[rows],
            pool=pool or self.default_pool,
            quarantined_at=began if began[0] else None,
            reason=self.numbers.reason[rows],
            observed_since=observed if observed[0] else None,
        )

    def _keep(self, rows: Rows, rejections: tuple[NumberRejection, ...]) -> None:
        reasons = {rejection.number: rejection.reason for rejection in rejections}
        for row in rows.tolist():
            number = int(self.numbers.number[row])
            if number in reasons:
                self.refused[row] = (number, reasons[number])


def _groups(numbers: Numbers) -> Iterator[tuple[str, Rows]]:
    """Pool and rows of those that have the same pool and the same times given.

    "Now" is the server's and cannot be said for single numbers of a request.
    """
    key = (
        numbers.pool.astype(np.uint32) * 4
        + (numbers.quarantined_at != 0) * 2
        + (numbers.observed_since != 0)
    )
    for group in np.unique(key):
        yield numbers.pool_names[group // 4], np.flatnonzero(key == group)
