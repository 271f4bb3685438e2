"""Numbers that come and go, and the commands by which they do."""

import threading
import time
from collections import deque
from collections.abc import Callable

import grpc
import numpy as np
import numpy.typing as npt
from feeds import CHANNEL_OPTIONS

from ringfence.engine.words import FORMER_LIFE_S
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

Numbers = npt.NDArray[np.uint64]
AWAY_S = FORMER_LIFE_S + 10
"""So long a number stays away before it comes back."""
DEADLINE_S = 60.0
QUICK = "quick"
"""A pool whose numbers are always clean."""


class Turnover:
    """Which numbers of a range are in and which have left."""

    def __init__(self, first: int) -> None:
        self.inside: deque[Numbers] = deque()
        """In the order in which they came."""
        self.came = 0
        self.left = 0
        self.new = first
        """From here on none ever came."""
        self._away: deque[tuple[float, Numbers]] = deque()
        self.back: dict[int, float] = {}
        """Of those that came back in the newest turn, when they had left, unix seconds."""

    def come(self, count: int) -> Numbers:
        """The numbers that are to come: half of them back, if so many were away for long enough."""
        self.back = {}
        while self._away and len(self.back) < count // 2:
            left_at, gone = self._away[0]
            if left_at > time.time() - AWAY_S:
                break
            self._away.popleft()
            self.back.update(dict.fromkeys(gone[: count // 2].tolist(), left_at))
        fresh = range(self.new, self.new + max(0, count - len(self.back)))
        self.new = fresh.stop
        numbers = np.array([*self.back, *fresh], np.uint64)
        self.inside.append(numbers)
        self.came += len(numbers)
        return numbers

    def leave(self) -> Numbers:
        """The numbers that are to leave: those that are in for longest."""
        return self.inside.popleft()

    def gone(self, numbers: Numbers) -> None:
        """They have left."""
        self._away.append((time.time(), numbers))
        self.left += len(numbers)


class Commands:
    """Commands of a server, each of which must do all that it is asked for."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.numbers = numbers_grpc.NumberServiceStub(self.channel)
        self._commands = commands_grpc.QuarantineServiceStub(self.channel)

    def quarantine(self, numbers: Numbers, pool: str, since: list[int]) -> None:
        """They come; `since` has their quarantined_at, or one for all."""
        request = commands.QuarantineNumbersRequest(
            numbers=numbers.tolist(), pool=pool, quarantined_at=since, observed_since=since
        )
        answer = self._commands.QuarantineNumbers(iter([request]), timeout=DEADLINE_S)
        if answer.accepted != len(numbers):
            raise SystemExit(f"not all in quarantine: wanted={len(numbers)}, {answer}")

    def let_go(self, numbers: Numbers, *, assign: bool) -> None:
        """They leave: restored, or assigned, so that the server lets them go after `left_kept`."""
        if assign:
            held = self.numbers.ReserveNumbers(
                pb.ReserveNumbersRequest(pool=QUICK, numbers=numbers.tolist()), timeout=DEADLINE_S
            )
            self.numbers.ConfirmReservation(
                pb.ConfirmReservationRequest(id=held.id), timeout=DEADLINE_S
            )
            return
        answer = self._commands.RestoreNumbers(
            commands.RestoreNumbersRequest(numbers=numbers.tolist()), timeout=DEADLINE_S
        )
        if len(answer.changed) != len(numbers):
            raise SystemExit(f"not all restored: wanted={len(numbers)}, {answer}")


class Work(threading.Thread):
    """Does something again and again, so often in a second as it can be and not more often."""

    def __init__(self, turn: Callable[[], None], period_s: float, still: threading.Lock) -> None:
        """A turn goes on only while nobody has `still`."""
        super().__init__(daemon=True)
        self._turn = turn
        self._period_s = period_s
        self._still = still
        self.ending = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Until `ending`, or an error."""
        due = time.monotonic()
        try:
            while not self.ending.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._period_s, time.monotonic() - 10 * self._period_s)
                with self._still:
                    self._turn()
        except BaseException as error:
            self.error = error
