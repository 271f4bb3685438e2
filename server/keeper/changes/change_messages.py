"""Changes of verdicts as workers are told of them: from values of the keeper's journal."""

from collections.abc import Mapping

import numpy as np

from ringfence.engine.table.header_rows import key_pools
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.keeper_values import headers_of
from ringfence.server.link.keeper_service_pb2 import WatchChangesResponse

CHANGES_MAX = 4_096  # in one message, as the contract has it for watchers


class ChangeMessages:
    """The messages for one reader of the journal, which gives each value in its order."""

    def __init__(self, pools: Mapping[int, str]) -> None:
        """`pools` has the names by index at the position where the reader begins."""
        self._pools = dict(pools)

    def of(self, position: int, data: bytes) -> list[bytes]:
        """Messages with all changes of the value there; rows whose verdict stays are none."""
        value = KeeperValue.FromString(data)
        for placed in value.pools:
            self._pools[placed.index] = placed.pool.name  # empty where it was deleted
        if value.headers:
            keys = headers_of(value)["key"]
        else:
            keys = np.fromiter(value.keys, "<u8", len(value.keys))
        previous = np.frombuffer(value.previous, np.uint8)
        current = np.frombuffer(value.current, np.uint8)
        changed = previous != current
        keys, previous, current = keys[changed], previous[changed], current[changed]
        messages = []
        for begin in range(0, len(keys), CHANGES_MAX):
            part = slice(begin, begin + CHANGES_MAX)
            pools: list[int] = np.unique(key_pools(keys[part])).tolist()
            message = WatchChangesResponse(
                position=position,
                changed_at=value.decided_at,
                keys=keys[part].tobytes(),
                previous=previous[part].tobytes(),
                current=current[part].tobytes(),
                pools={index: self._pools.get(index, "") for index in pools},
            )
            messages.append(message.SerializeToString())
        return messages
