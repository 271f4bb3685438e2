"""What the keeper knows: as decided, and as published in the segment, one command behind another.

A command goes through it twice: `foresee` when it was decided, `apply` when it is durable.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ringfence.engine.control import HEADER, TableWriter
from ringfence.engine.segment import Segment
from ringfence.server.keeper_value_pb2 import KeeperValue
from ringfence.server.overlay import HeaderOverlay, latest_rows
from ringfence.server.setting_messages import read_policy, read_pool
from ringfence.server.settings_book import SettingsBook


class KeeperState:
    """The one user of the TableWriter."""

    def __init__(self, segment: Segment, writer: TableWriter) -> None:
        self._segment = segment
        self._writer = writer
        # No index is without its setting: nothing can be deleted in this version.
        policies = [policy for policy in segment.policies() if policy is not None]
        pools = [pool for pool in segment.pools() if pool is not None]
        self.published = SettingsBook(segment.ring_entries, policies, pools)
        """Policies and pools as workers see them."""
        self.decided = SettingsBook(segment.ring_entries, policies, pools)
        """Policies and pools as all commands so far leave them."""
        self.overlay = HeaderOverlay(segment, writer)

    @property
    def applied(self) -> int:
        """The position of the newest command that is in the segment."""
        return self._segment.applied

    def foresee(self, value: KeeperValue) -> None:
        """A command was decided: later ones are decided as if it were applied."""
        self.overlay.add(_headers(value))
        _place(value, self.decided)

    def apply(self, position: int, value: KeeperValue) -> None:
        """A command is durable, the oldest that was foreseen: it goes into the segment."""
        if _place(value, self.published):
            self._publish()
        self._writer.apply(_headers(value))
        self._writer.set_applied(position)
        self.overlay.drop_oldest()

    def rebuild(
        self, position: int, settings: KeeperValue, values: Iterable[tuple[int, KeeperValue]]
    ) -> None:
        """Goes on from a position, where these settings and the table's headers were or nearly, one
        command after the other; in a segment that nobody uses yet.
        """
        self._place_in_both(settings)
        for later, value in values:
            self._place_in_both(value)
            self._writer.apply(_headers(value))
            position = later
        self._publish()
        self._writer.set_applied(position)

    def catch_up(self, values: Iterable[tuple[int, KeeperValue]]) -> None:
        """Applies what a dead keeper left undone, or half done, to a segment in use.

        Each header is written once, in its final form: one that the dead keeper had written in
        between could otherwise come back for a moment, and empty a ring.
        """
        position, headers = self.applied, [np.empty(0, HEADER)]
        for later, value in values:
            self._place_in_both(value)
            headers.append(_headers(value))
            position = later
        self._publish()
        self._writer.apply(latest_rows(np.concatenate(headers)))
        self._writer.set_applied(position)

    def _place_in_both(self, value: KeeperValue) -> None:
        _place(value, self.published)
        _place(value, self.decided)

    def _publish(self) -> None:
        self._writer.publish(self.published.policies, self.published.pools)


def _headers(value: KeeperValue) -> npt.NDArray[np.void]:
    return np.frombuffer(value.headers, HEADER)


def _place(value: KeeperValue, book: SettingsBook) -> bool:
    """Puts a command's settings into a book; whether there are any."""
    for placed_policy in value.policies:
        book.place_policy(placed_policy.index, read_policy(placed_policy.policy))
    for placed_pool in value.pools:
        book.place_pool(placed_pool.index, read_pool(placed_pool.pool))
    return bool(value.policies or value.pools)
