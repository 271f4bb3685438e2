"""Changes of verdicts as watchers are told: from a value of the keeper's journal."""

from collections.abc import Iterator

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.table.header_rows import key_numbers, key_pools
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.keeper_values import headers_of
from ringfence.server.state.settings_book import SettingsBook
from ringfence.v1 import number_service_pb2 as pb

CHANGES_MAX = 4_096  # in one message


def change_messages(value: KeeperValue, book: SettingsBook) -> Iterator[pb.WatchNumbersResponse]:
    """Messages with all changes of one value; rows whose verdict stays are none."""
    keys = np.fromiter(value.keys, np.uint64, len(value.keys))
    if value.headers:
        keys = headers_of(value)["key"]
    previous = np.frombuffer(value.previous, np.uint8)
    current = np.frombuffer(value.current, np.uint8)
    changed = previous != current
    rows = list(
        zip(
            key_numbers(keys[changed]).tolist(),
            key_pools(keys[changed]).tolist(),
            previous[changed].tolist(),
            current[changed].tolist(),
            strict=True,
        )
    )
    changed_at = Timestamp(seconds=value.decided_at)
    for begin in range(0, len(rows), CHANGES_MAX):
        message = pb.WatchNumbersResponse()
        for number, index, before, after in rows[begin : begin + CHANGES_MAX]:
            pool = book.pool(index)
            message.changes.add(
                number=number,
                pool=pool.name if pool else "",
                previous=before,
                current=after,
                changed_at=changed_at,
            )
        yield message
