"""The keeper's journal, read as commands."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from ringfence.server.journal.journal import JournalDamaged, JournalReader
from ringfence.server.journal.keeper_value_pb2 import KeeperValue


def keeper_values(journal: JournalReader, after: int) -> Iterator[tuple[int, KeeperValue]]:
    """The commands behind a position of the keeper's journal; raises JournalError."""
    for position, data in journal.replay(after):
        try:
            yield position, KeeperValue.FromString(data)
        except DecodeError as error:
            raise JournalDamaged(
                f"{journal.folder}: not a command: position={position}: {error}"
            ) from None
