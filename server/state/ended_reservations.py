"""Which reservations have ended, by time and by who made them: in this order they are forgotten."""

from collections import OrderedDict

from ringfence.server.state.book_entry import BookEntry


class EndedReservations:
    """Ids, in the order in which they ended."""

    def __init__(self) -> None:
        self._ended_at: OrderedDict[str, int] = OrderedDict()
        self._by_actor: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._ended_at)

    def add(self, entry: BookEntry) -> None:
        """One has ended, later than all others."""
        self._ended_at[entry.id] = entry.ended_at
        self._by_actor.setdefault(entry.actor, OrderedDict())[entry.id] = None

    def drop(self, entry: BookEntry) -> None:
        """One is forgotten, or ended another way."""
        if self._ended_at.pop(entry.id, None) is None:
            return
        mine = self._by_actor[entry.actor]
        del mine[entry.id]
        if not mine:
            del self._by_actor[entry.actor]

    def ended_until(self, moment: int) -> str:
        """The oldest one, if it ended until then; "" = there is none."""
        oldest, ended_at = next(iter(self._ended_at.items()), ("", moment + 1))
        return oldest if ended_at <= moment else ""

    def oldest_of(self, actor: str) -> str:
        """The oldest one of an actor; where it has none, of all; "" = there is none."""
        return next(iter(self._by_actor.get(actor) or self._ended_at), "")
