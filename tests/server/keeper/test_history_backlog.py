"""A history that cannot be written holds commands up when too much waits for it, and not before."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.server_process import (
    DEADLINE_S,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

FIRST = 999_000_000_000
COUNT = 65_536  # of a message, of about 2.4 MB in the journal
CONFIG = """
[history]
url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
backlog_bytes = 16_777_216
"""


def test_commands_are_refused_beyond_the_backlog_and_health_and_log_say_why(tmp_path):
    config = tmp_path / "server.toml"
    config.write_text(CONFIG)
    options = ("--config", str(config), "--workers", "1", "--capacity", str(20 * COUNT))
    with serving(tmp_path / "data", *options) as server, peer_of(server) as peer:

        def health(name: str) -> int:
            request = health_pb2.HealthCheckRequest(service=f"ringfence.v1.{name}")
            return health_pb2_grpc.HealthStub(peer.channel).Check(request).status

        taken = 0
        try:
            for taken in range(20):
                peer.quarantine(list(range(FIRST + taken * COUNT, FIRST + (taken + 1) * COUNT)))
        except grpc.RpcError as error:
            refused = error
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
        assert reason_of(refused) == "JOURNAL"
        assert has_retry_info(refused)
        assert "the history is behind: bytes=" in refused.details()
        assert ", limit=16777216" in refused.details()
        assert 5 <= taken <= 9  # not before the bound, and not long after it
        wait_until(lambda: health("QuarantineService") == 2)
        assert health("NumberService") == health("EventService") == 1
        wait_until(lambda: "commands are refused: the history is behind: bytes=" in server.log)
        checked = peer.numbers.CheckNumbers(
            numbers.CheckNumbersRequest(numbers=[FIRST]), timeout=DEADLINE_S
        )
        assert len(checked.verdicts) == 1
