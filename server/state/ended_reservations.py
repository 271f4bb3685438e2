"""Which reservations have ended, by time and by who made them: in this order they are forgotten."""

from ringfence.server.state.book_entry import BookEntry
from ringfence.server.state.lines import Lines


class EndedReservations:
    """Ids, in the order in which they ended."""

    def __init__(self) -> None:
        self._all: Lines[None, str] = Lines()
        self._by_actor: Lines[str, str] = Lines()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, entry: BookEntry) -> None:
        """One has ended, later than all others."""
        self._all.append(None, entry.id)
        self._by_actor.append(entry.actor, entry.id)

    def drop(self, entry: BookEntry) -> None:
        """One is forgotten, or ended another way."""
        self._all.remove(None, entry.id)
        self._by_actor.remove(entry.actor, entry.id)

    def oldest(self) -> str | None:
        """The one that ended first."""
        return self._all.first(None)

    def oldest_of(self, actor: str) -> str | None:
        """The oldest one of an actor; where it has none, of all."""
        return self._by_actor.first(actor) or self._all.first(None)
