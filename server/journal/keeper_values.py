"""The keeper's journal, read as commands."""

from collections.abc import Iterator

import numpy as np
from google.protobuf.message import DecodeError

from ringfence.engine.table.header_rows import HEADER, Headers
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


def headers_of(value: KeeperValue) -> Headers:
    """The headers that a command leaves."""
    return np.frombuffer(value.headers, HEADER)
