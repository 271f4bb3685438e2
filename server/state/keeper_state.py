"""What the keeper knows: settings, reservations, hand-outs, and which headers are to change.

A command goes through it twice: `foresee` when it was decided, `apply` when it is durable. What
the segment has is written by `apply` alone; all else holds as soon as it is decided, so nobody may
be told of it before everything decided is durable.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.table.header_rows import (
    HEADER,
    Headers,
    Numbers,
    latest_rows,
    numbers_of,
    pools_of,
    since_of,
    states_of,
)
from ringfence.engine.table.writer import SlotsHeld, TableFull, TableWriter
from ringfence.engine.words import FORMER_LIFE_S, Outcome, State
from ringfence.server.journal.keeper_value_pb2 import (
    FeedClaims,
    JournalPosition,
    KeeperImage,
    KeeperValue,
)
from ringfence.server.journal.keeper_values import headers_of
from ringfence.server.link.refusal import in_use
from ringfence.server.state.book_entry import BookEntry, read_entry
from ringfence.server.state.coverage_book import CoverageBook
from ringfence.server.state.former_lives import FormerLives, FormerLivesFull
from ringfence.server.state.former_runs import FORMER_LIFE
from ringfence.server.state.hand_out_book import HandOutBook
from ringfence.server.state.image_moment import ImageMoment
from ringfence.server.state.keeper_image import StoredImage
from ringfence.server.state.pending_changes import PendingChanges
from ringfence.server.state.reservation_book import ReservationBook
from ringfence.server.state.settings_book import SettingsBook

ROWS_A_SLICE = 4_096
"""Headers that are written, and made known, at once: some milliseconds with all that follows."""
QUARANTINE = "QuarantineNumbers"
"""The one command about numbers that may not be in the table."""


class AppliedSlice(NamedTuple):
    """Headers of a command that are in the segment from now on."""

    headers: Headers
    rows: slice
    """Which of the command's they are."""
    is_last: bool


class KeeperState:
    """The one user of the TableWriter."""

    def __init__(self, segment: Segment, writer: TableWriter, *, ended_kept_s: int) -> None:
        self._segment = segment
        self.writer = writer
        self.published = SettingsBook(segment.ring_entries)
        """Settings as workers see them."""
        self.decided = SettingsBook(segment.ring_entries)
        """Settings as all commands so far leave them."""
        self.coverage = CoverageBook()
        """What feeds have claimed. Claims are durable before they come here, in the journals of
        workers, so all may see them before the keeper's journal has them."""
        self.reservations = ReservationBook(ended_kept_s=ended_kept_s)
        self.hand_outs = HandOutBook.beside_table(segment.capacity_numbers)
        self.former_lives = FormerLives(segment.capacity_numbers)
        self.assigned_total: Counter[int] = Counter()
        """Numbers ever handed out, by index of their pool."""
        self.complaints: Counter[int] = Counter()
        """Complaints ever recorded, by index of the pool."""
        self.pending = PendingChanges(writer)
        self.decided_at = 0
        """The time of the newest command."""
        self._imaged = 0
        """The position up to which an image has brought everything but headers."""
        self.closing: set[int] = set()
        """Places of pools that are about to be deleted: nothing may join them."""

    @property
    def applied(self) -> int:
        """The position of the newest command that is in the segment."""
        return self._segment.applied

    def open_pool_index(self, name: str) -> int:
        """The index of a pool that numbers may join; raises a refusal."""
        index = self.decided.pool_index(name)
        if index in self.closing:
            raise in_use("pool", name, "it is being deleted")
        return index

    def check_room(self, numbers: Numbers) -> None:
        """Raises TableFull or FormerLivesFull unless there is room for all of these that are not in
        use, beside those to come, and SlotsHeld unless there are slots for them already.
        """
        slots, capacity_numbers = self.writer.slots, self._segment.capacity_numbers
        wanted = len(self.writer.new_numbers(numbers))
        room = capacity_numbers - slots.in_use - self.pending.new
        if wanted > room:
            raise TableFull(wanted, max(0, room), capacity_numbers)
        lives = self.former_lives.most - len(self.former_lives) - self.pending.new
        if wanted > lives:
            raise FormerLivesFull(wanted, max(0, lives), self.former_lives.most)
        if wanted + self.pending.new > slots.ready:
            raise SlotsHeld(wanted + self.pending.new, slots.ready, slots.held_up_by())

    def judge(
        self, numbers: Numbers, quarantined_at: npt.NDArray[np.uint32]
    ) -> npt.NDArray[np.uint8]:
        """What would become of numbers that are quarantined now: an `Outcome` for each."""
        outcomes = self.writer.judge(numbers, quarantined_at)
        last_tracked = self.former_lives.last_tracked(numbers).astype(np.uint64)
        early = (last_tracked > 0) & (quarantined_at < last_tracked + np.uint64(FORMER_LIFE_S))
        outcomes[(outcomes == Outcome.QUARANTINED) & early] = Outcome.TOO_EARLY
        return outcomes

    def earliest_quarantine(self, number: int) -> int:
        """From when on a number that left can be quarantined, unix seconds; 0 = it never left."""
        (last_tracked,) = self.former_lives.last_tracked(np.array([number], np.uint64)).tolist()
        earliest = last_tracked + FORMER_LIFE_S if last_tracked else 0
        return max(earliest, self.writer.earliest_quarantine(number))

    def foresee(self, value: KeeperValue) -> None:
        """A command was decided: later ones are decided as if it were applied."""
        settings = self.decided.place(value)
        brings_new = value.command == QUARANTINE
        self.pending.add(headers_of(value), settings=settings, brings_new=brings_new)
        self._place(value)

    def apply(self, position: int, value: KeeperValue) -> Iterator[AppliedSlice]:
        """A command is durable, the oldest that was foreseen: it goes into the segment in slices of
        its headers; at least one, if an empty one.

        Others may have their turns in between. Who reads the table sees some of its headers and not
        yet others, as of one that is written at once; the numbers are pending to the last, so no
        command is decided about them; and when all is killed in between, `applied` has not reached
        this command, and each of its headers is written once more in the same form.
        """
        if self.published.place(value):
            self._publish()
        elif value.claims:
            self._publish_coverage(claims.feed for claims in value.claims)
        headers = headers_of(value)
        for begin in range(0, max(1, len(headers)), ROWS_A_SLICE):
            rows = slice(begin, begin + ROWS_A_SLICE)
            is_last = rows.stop >= len(headers)
            before = self.writer.slots.in_use
            self.writer.apply(headers[rows])
            self.pending.came(max(0, self.writer.slots.in_use - before))
            if is_last:
                self.writer.set_applied(position)
                self.pending.drop_oldest()
            yield AppliedSlice(headers[rows], rows, is_last)

    def load(self, image: StoredImage) -> None:
        """Begins with what a snapshot has."""
        entries: list[BookEntry] = []
        made = 0
        for part in image.parts:
            for book in (self.published, self.decided):
                book.place(part)
            self.coverage.take(part)
            entries.extend(map(read_entry, part.reservations))
            made += part.reservations_made  # as all that is no list, it is in one part alone
            self.assigned_total.update(dict(enumerate(part.assigned_total)))
            self.complaints.update(dict(enumerate(part.complaints)))
            self.former_lives.load(np.frombuffer(part.former_lives, FORMER_LIFE))
            self.decided_at = max(self.decided_at, part.decided_at)
            self._imaged = max(self._imaged, part.position)
        self.reservations.load(entries, made)
        self.hand_outs.load(image.runs)

    @property
    def known(self) -> int:
        """The position behind which the journal is needed to catch up. An image may be ahead of the
        segment: it has what was decided, also what its keeper did not live to apply.
        """
        return min(self._imaged, self.applied)

    def catch_up(self, values: Iterable[tuple[int, KeeperValue]]) -> None:
        """Takes in the commands behind the image, and applies those the segment lacks. `values`
        are all those behind `known`.

        Each header is written once, in its final form: one that the dead keeper had written in
        between could otherwise come back for a moment, and empty a ring.
        """
        applied = position = self.applied
        headers = [np.empty(0, HEADER)]
        for later, value in values:
            if later > self._imaged:
                for book in (self.published, self.decided):
                    book.place(value)
                self._place(value)
            if later > applied:
                headers.append(headers_of(value))
                position = later
        self._publish()
        rows = latest_rows(np.concatenate(headers))
        leave = states_of(rows) == State.FREE
        self.writer.apply(rows[leave])  # first: others may need their room
        self.writer.apply(rows[~leave])
        self.writer.set_applied(position)
        numbers, since = self.writer.slots.left_after(self.former_lives.over)
        left = np.empty(len(numbers), FORMER_LIFE)
        left["number"], left["since"] = numbers, since
        self.former_lives.load(left)

    def moment(
        self, claims: Iterable[FeedClaims] = (), journals: Iterable[JournalPosition] = ()
    ) -> ImageMoment:
        """Everything, as all decided commands leave it, to be read while others are decided; to be
        closed. Claims and positions that no command has yet may be added.
        """
        indexes = range(len(self.decided.pools))
        head = KeeperImage(
            decided_at=self.decided_at,
            reservations_made=self.reservations.made,
            assigned_total=[self.assigned_total[index] for index in indexes],
            complaints=[self.complaints[index] for index in indexes],
            feeds_registered=self.decided.feeds_registered,
            journals=chain(self.coverage.journals(), journals),
        )
        return ImageMoment(
            head=head,
            policies=tuple(self.decided.policies),
            pools=tuple(self.decided.pools),
            feeds=tuple(self.decided.feeds),
            claims=chain(self.coverage.claims(), claims),
            reservations=self.reservations.moment(),
            runs=self.hand_outs.runs(),
            former_lives=self.former_lives.runs(),
        )

    def _place(self, value: KeeperValue) -> None:
        self.decided_at = max(self.decided_at, value.decided_at)
        self.coverage.take(value)
        self.reservations.place(value.reservations, value.decided_at)
        self.complaints.update(complaint.pool for complaint in value.complaints)
        if value.command == "ConfirmReservation":
            self._hand_out(headers_of(value), value.decided_at)
        elif value.headers and value.command != QUARANTINE:
            headers = headers_of(value)
            left = headers[states_of(headers) == State.FREE]
            self.former_lives.leave(numbers_of(left), since_of(left))

    def _hand_out(self, headers: Headers, at: int) -> None:
        given = headers[states_of(headers) == State.ASSIGNED]
        pools = pools_of(given)
        for index in np.unique(pools).tolist():
            numbers = numbers_of(given[pools == index])
            pool = self.decided.pool(index)
            policy = self.decided.policy_index(pool.policy) if pool else 0
            self.hand_outs.add(numbers, at=at, pool=index, policy=policy)
            self.assigned_total[index] += len(numbers)

    def _publish(self) -> None:
        publish(self._segment, self.published, self.coverage)

    def _publish_coverage(self, indexes: Iterable[int]) -> None:
        there = (index for index in indexes if self.published.feed(index))
        publish_coverage(self._segment, {index: self.coverage.of(index) for index in there})


def publish(segment: Segment, book: SettingsBook, coverage: CoverageBook) -> None:
    """Lets workers see settings and coverage."""
    feeds = [
        coverage.published(index, feed) if feed else None for index, feed in enumerate(book.feeds)
    ]
    publish_settings(segment, book.policies, book.pools, feeds)
