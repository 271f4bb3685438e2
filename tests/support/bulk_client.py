"""A client of bulk commands about numbers of its own, that repeats what was left open."""

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import grpc

from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types
from support.server_process import Peer

BLOCK = 65_536
FIRST = 999_000_000_000
CALL_S = 60.0  # a call that is given up might still be done later
PATIENCE_S = 90.0
PAUSE_S = 0.05
RESTORES_MAX = 4  # so many blocks of a client find room in the table and are left
POOLS = ("default", "other")


class Condition(NamedTuple):
    """What all numbers of a block are."""

    verdict: types.Verdict
    pool: str


NOWHERE = Condition(types.VERDICT_UNTRACKED, "")


@dataclass
class Change:
    """What one command did to a block, with how many tries."""

    command: str
    first: int
    before: Condition
    after: Condition
    tries: list[str]
    """Who asked, another name each time: so the history says which try did it."""


class Torn(AssertionError):
    """A command was done for some of its numbers, or something that nobody asked for."""


class BulkClient(threading.Thread):
    """Goes from command to command until `ending` is set; each is about all of its block."""

    def __init__(self, address: str, name: int, seed: int, ending: threading.Event) -> None:
        super().__init__(name=f"client-{name}")
        self._dice = random.Random(f"{seed} {name}")
        self._peer = Peer(address)
        self._ending = ending
        self.first = FIRST + name * (RESTORES_MAX + 1) * BLOCK
        self.now = NOWHERE
        self.changes: list[Change] = []
        self.unsure = 0
        self._restores = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Keeps what went wrong for who looks."""
        try:
            while not self._ending.is_set():
                self._change()
        except BaseException as error:
            self.error = error
            self._ending.set()

    def close(self) -> None:
        """Ends its connection."""
        self._peer.channel.close()

    def conditions(self, first: int) -> set[tuple[types.Verdict, str]]:
        """What the numbers of a block are: verdicts of all, the pools of a few."""
        asked = range(first, first + BLOCK)
        checked = self._peer.numbers.CheckNumbers(
            pb.CheckNumbersRequest(numbers=asked), timeout=CALL_S
        )
        found = set(checked.verdicts)
        pools = set()
        if found != {types.VERDICT_UNTRACKED}:
            for number in (first, first + BLOCK // 2, first + BLOCK - 1):
                request = pb.GetNumberRequest(number=number)
                pools.add(self._peer.numbers.GetNumber(request, timeout=CALL_S).pool)
        return {(verdict, pool) for verdict in found for pool in pools or {""}}

    def _change(self) -> None:
        if self.now == NOWHERE and self.changes:
            self.first += BLOCK  # a number that has left does not come back at once
            self._restores += 1
        command, after = self._dice.choice(self._ways())
        change = Change(command, self.first, self.now, after, [])
        self.changes.append(change)
        while True:
            change.tries.append(f"{self.name} {len(self.changes)}.{len(change.tries)}")
            try:
                self._ask(change)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                self.unsure += 1
                time.sleep(self._dice.choice((0, PAUSE_S, 1.0)))
                if self._dice.random() < 0.5:
                    self._settle({self.now, after})
            else:
                break
        self._settle({after}, at_once=True)
        self.now = after

    def _ways(self) -> list[tuple[str, Condition]]:
        """Commands that change the block as it is, and what they leave."""
        verdict, pool = self.now
        if verdict == types.VERDICT_UNTRACKED:
            return [("QuarantineNumbers", Condition(types.VERDICT_AGING, POOLS[0]))]
        moved = Condition(verdict, POOLS[pool == POOLS[0]])
        ways = [("RestoreNumbers", NOWHERE)] if self._restores < RESTORES_MAX else []
        if verdict == types.VERDICT_CLEAN:  # it is so in the other pool too
            ways += [("MoveNumbers", moved)]
        if verdict == types.VERDICT_AGING:
            ways += [("HoldNumbers", Condition(types.VERDICT_HELD, pool))] * 2
            ways += [("MoveNumbers", moved)] * 2
            ways += [("OverrideNumbers", Condition(types.VERDICT_CLEAN, pool))]
        if verdict == types.VERDICT_HELD:
            ways += [("UnholdNumbers", Condition(types.VERDICT_AGING, pool))] * 3
            ways += [("MoveNumbers", moved)]
        return ways

    def _ask(self, change: Change) -> None:
        numbers = range(change.first, change.first + BLOCK)
        who = (("ringfence-actor", change.tries[-1]),)
        if change.command == "QuarantineNumbers":
            began = [int(time.time()) - 86_400]
            asked = commands.QuarantineNumbersRequest(
                numbers=numbers, pool=POOLS[0], quarantined_at=began, observed_since=began
            )
            counts = self._peer.commands.QuarantineNumbers(
                iter([asked]), timeout=CALL_S, metadata=who
            )
            done = counts.accepted + counts.already_quarantined
            whole = {counts.accepted, counts.already_quarantined} <= {0, BLOCK}
        else:
            request = getattr(commands, f"{change.command}Request")(numbers=numbers, note="a test")
            if change.command == "MoveNumbers":
                request.pool = change.after.pool
            answer = getattr(self._peer.commands, change.command)(
                request, timeout=CALL_S, metadata=who
            )
            done, whole = len(answer.changed), not (answer.changed and answer.refused)
            if change.command == "RestoreNumbers" and len(change.tries) > 1 and not done:
                done = len(answer.refused)  # a try without an answer has done it
        if done != BLOCK or not whole:
            raise Torn(f"{change}: done={done}")

    def _settle(self, allowed: set[Condition], *, at_once: bool = False) -> None:
        """Waits until all numbers are as one of these; what is not done yet is not torn."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(grpc.RpcError):
                found = self.conditions(self.first)
                if len(found) == 1 and found <= allowed:
                    return
                if at_once or time.monotonic() > deadline:
                    raise Torn(f"{self.changes[-1]}: found={found}")
            if time.monotonic() > deadline:
                raise TimeoutError("no answer")
            time.sleep(PAUSE_S)
