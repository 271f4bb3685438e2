"""A program of many allocators, and an operator and a feed beside them, that a storm goes over.

    python allocators.py HOST:PORT RECORD SEED ALLOCATORS FIRST_NUMBER NUMBERS

It ends when its standard input does. What was answered stands in the file RECORD, a line of JSON
each: `reservation` (whose numbers its allocator certainly had, from when until when), `hold`,
`calls`, `past` (a request and its answer, for who wants to repeat it), `wrong` (an answer that must
not be) and at last `counts`.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import event_service_pb2_grpc as events_grpc
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc
from ringfence.v1 import types_pb2 as types

CHANNELS = 6
CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),  # what is repeated is decided here
)
POOL = "default"
PREFIXES = ("44770090", "4477009000", "4477009001")
DEADLINE_S = 10.0
UNSURE = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
LOST = ("UNKNOWN", "CANCELLED", "INTERNAL")  # what gRPC makes of a connection that broke
REPEATED_WITHIN_S = 30.0  # request ids are remembered for longer
PAST_MAX = 30
HELD_MAX = 6
GIVEN_MAX = 12
"""So many numbers of one allocator are with customers at once: there are some left for others."""
GONE_S = 311.0
"""So long a customer stays: before it the server does not take a number back."""
CALLS = 3
NOISY_S = 2
"""The policy allows fewer calls within this time."""
PAUSE_S = 0.02  # before a call is repeated
FOREVER = float("inf")

ACTIVE = types.RESERVATION_STATE_ACTIVE
CANCELLED = types.RESERVATION_STATE_CANCELLED
CONFIRMED = types.RESERVATION_STATE_CONFIRMED
EXPIRED = types.RESERVATION_STATE_EXPIRED


class Reply(NamedTuple):
    """What became of a call."""

    reason: str
    """OK, the reason of a refusal, or the name of the status."""
    answer: Any
    begun: float
    """Of the first try."""
    ended: float
    tries: int


class Held:
    """A reservation that its allocator was told of."""

    def __init__(self, reply: Reply) -> None:
        answer: pb.Reservation = reply.answer
        self.id = answer.id
        self.numbers = list(answer.numbers)
        self.first_expires_at = self.expires_at = answer.expires_at.seconds
        self.created_at = answer.created_at.seconds
        self.begun, self.answered = reply.begun, reply.ended
        self.until: dict[int, float] = dict.fromkeys(self.numbers, self.expires_at)
        self.given: list[int] = []
        self.given_at = 0.0
        self.state = ACTIVE

    def end(self, at: float) -> None:
        """Nothing is certain from then on."""
        self.until = {number: min(until, at) for number, until in self.until.items()}


class Desk:
    """What the allocators of one process share: connections, dice and the record."""

    def __init__(self, address: str, record: Path, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self.ending = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.attempts = 0
        """Calls of allocators that a server took, each try of its own."""
        self.wrongs = 0
        self._record = record.open("w")
        self._channels = [
            grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) for _ in range(CHANNELS)
        ]
        self._stubs = [
            (
                numbers_grpc.NumberServiceStub(channel),
                commands_grpc.QuarantineServiceStub(channel),
                events_grpc.EventServiceStub(channel),
            )
            for channel in self._channels
        ]

    def write(self, kind: str, **fields: object) -> None:
        """Adds a line to the record."""
        self._record.write(json.dumps({"kind": kind, **fields}) + "\n")

    def wrong(self, what: str, reply: Reply, *more: object) -> None:
        """Notes an answer that must not be."""
        self.wrongs += 1
        text = f"{what}: {reply.reason} at {reply.ended:.3f} after {reply.tries} tries"
        self.write("wrong", text=f"{text}: {reply.answer} {more}")

    async def ask(
        self,
        dice: random.Random,
        method: str,
        request: Message,
        *,
        actor: str = "",
        sure: bool = True,
    ) -> Reply:
        """What became of a call; if it shall be `sure`, it is repeated until that is known."""
        begun = time.time()
        tries = 0
        while True:
            tries += 1
            reason, answer = await self._try(dice, method, request, actor)
            reply = Reply(reason, answer, begun, time.time(), tries)
            self.counts[f"{method} {reply.reason}"] += 1
            self.attempts += bool(actor) and reply.reason != "UNAVAILABLE"
            if not sure or reply.reason not in (*UNSURE, *LOST):
                return reply
            await asyncio.sleep(PAUSE_S)

    async def _try(
        self, dice: random.Random, method: str, request: Message, actor: str
    ) -> tuple[str, Any]:
        stub = next(stub for stub in dice.choice(self._stubs) if hasattr(stub, method))
        asked: Any = iter([request]) if method == "QuarantineNumbers" else request
        # Now and then nobody waits for the answer.
        timeout = DEADLINE_S if dice.random() < 0.98 else dice.choice((0.002, 0.02))
        try:
            answer = await getattr(stub, method)(
                asked, timeout=timeout, metadata=(("ringfence-actor", actor),)
            )
        except grpc.aio.AioRpcError as error:
            return _reason(error), error.details()
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return "CANCELLED", ""  # what grpc.aio makes of a request that it cannot write
        return "OK", answer

    async def close(self) -> None:
        """Ends the record and the connections."""
        self.write("counts", attempts=self.attempts, counts=self.counts)
        self._record.close()
        for channel in self._channels:
            await channel.close()


class Allocator:
    """One that wants numbers: one call after the other."""

    def __init__(self, desk: Desk, name: str, seed: int) -> None:
        self._desk = desk
        self._name = name
        self._dice = random.Random(seed)
        self._held: list[Held] = []
        self._given: deque[Held] = deque()  # confirmed; the first of them comes back first
        self._past: deque[tuple[pb.ReserveNumbersRequest, bytes, int]] = deque(maxlen=PAST_MAX)
        self._made = 0

    async def work(self) -> None:
        """Goes on until the end; what it still has then it leaves behind."""
        while not self._desk.ending.is_set():
            chance = self._dice.random()
            if self._given and time.time() > self._given[0].given_at + GONE_S:
                await self._give_back(self._given.popleft())
            elif self._held and (chance < 0.4 or len(self._held) > HELD_MAX):
                await self._use(self._dice.choice(self._held))
            elif self._past and chance < 0.5:
                await self._repeat(*self._dice.choice(self._past))
            else:
                await self._reserve()
        for held in (*self._held, *self._given):
            self._write(held)
        for request, answer, _ in self._past:
            self._desk.write(
                "past",
                request=request.SerializeToString().hex(),
                answer=answer.hex(),
                actor=self._name,
            )

    async def _ask(self, method: str, request: Message, *, sure: bool = True) -> Reply:
        return await self._desk.ask(self._dice, method, request, actor=self._name, sure=sure)

    def _wish(self) -> pb.ReserveNumbersRequest:
        dice = self._dice
        self._made += 1
        wish = pb.ReserveNumbersRequest(
            pool=POOL,
            lease=Duration(seconds=dice.choice((1, 1, 2, 3, 600))),
            allow_partial=dice.random() < 0.3,
        )
        if wish.lease.seconds > 3 or dice.random() < 0.9:
            wish.request_id = f"{self._name}-{self._made}"
        way = dice.random()
        if way < 0.15:
            wish.numbers.extend(dice.sample(self._desk.numbers, dice.randint(1, 5)))
        else:
            wish.count = dice.randint(1, 20)
            wish.prefix = dice.choice(PREFIXES) if way < 0.2 else ""
        return wish

    async def _reserve(self) -> None:
        wish = self._wish()
        reply = await self._ask("ReserveNumbers", wish, sure=bool(wish.request_id))
        if reply.reason != "OK":
            if reply.reason not in ("TOO_FEW_CLEAN", "NOT_CLEAN", *UNSURE, *LOST):
                self._desk.wrong(f"reserve {wish}", reply)
            return
        answer: pb.Reservation = reply.answer
        numbers = set(answer.numbers)
        wanted = len(set(wish.numbers)) or wish.count
        if (
            answer.state != ACTIVE
            or answer.actor != self._name
            or not 1 <= len(numbers) == len(answer.numbers) == answer.count <= wanted
            or (len(numbers) < wanted and not wish.allow_partial)
            or (wish.numbers and not numbers <= set(wish.numbers))
            or not all(str(number).startswith(wish.prefix) for number in numbers)
            or answer.expires_at.seconds - answer.created_at.seconds != wish.lease.seconds
            or not int(reply.begun) <= answer.created_at.seconds <= reply.ended
        ):
            self._desk.wrong(f"reserve {wish}", reply)
        self._held.append(Held(reply))
        if wish.request_id:
            first = answer.SerializeToString(deterministic=True)
            self._past.append((wish, first, answer.created_at.seconds))

    async def _repeat(self, wish: pb.ReserveNumbersRequest, first: bytes, at: int) -> None:
        if time.time() > at + REPEATED_WITHIN_S:
            return
        again = pb.ReserveNumbersRequest()
        again.CopyFrom(wish)
        other = self._dice.random() < 0.3
        if other:
            again.lease.seconds += 1
        reply = await self._ask("ReserveNumbers", again)
        if other and reply.reason != "ALREADY_EXISTS":
            self._desk.wrong("other arguments", reply)
        if not other and (
            reply.reason != "OK" or reply.answer.SerializeToString(deterministic=True) != first
        ):
            self._desk.wrong(f"repeated {again}", reply, pb.Reservation.FromString(first))

    async def _use(self, held: Held) -> None:
        uses = [self._extend, self._cancel, self._get, self._leave]
        if sum(len(each.given) for each in self._given) + len(held.numbers) <= GIVEN_MAX:
            uses += [self._confirm, self._disturb]
        await self._dice.choice(uses)(held)

    async def _confirm(self, held: Held) -> None:
        partial = self._dice.random() < 0.5
        request = pb.ConfirmReservationRequest(id=held.id, allow_partial=partial)
        reply = await self._ask("ConfirmReservation", request)
        if reply.reason != "OK":
            if reply.reason != "NOT_CLEAN":
                self._ended(held, reply)
            return
        given = set(reply.answer.numbers)
        if reply.answer.state != CONFIRMED or not given or not given <= set(held.numbers):
            self._desk.wrong(f"confirm {held.numbers}", reply)
        held.given_at = reply.ended
        held.state = CONFIRMED
        held.given = sorted(given)
        held.end(reply.begun)
        held.until.update(dict.fromkeys(given, FOREVER))
        self._held.remove(held)
        self._given.append(held)
        if self._dice.random() < 0.5:
            await asyncio.sleep(self._dice.choice((0, 0.1, 1)))
            await self._give_back_too_early(held)

    async def _disturb(self, held: Held) -> None:
        """Has one of its numbers called, too often, before it confirms."""
        called, at = self._dice.choice(held.numbers), int(time.time())
        reply = await self._desk.ask(self._dice, "RecordEvents", calls([called], at, self._dice))
        await self._confirm(held)
        if reply.reason != "OK" or (called in held.given and held.given_at < at + NOISY_S):
            self._desk.wrong(f"+{called} was called at {at} and is given to {held.id}", reply)

    async def _quarantine(self, held: Held) -> Reply:
        now = int(time.time())
        request = commands.QuarantineNumbersRequest(
            numbers=held.given, pool=POOL, quarantined_at=[now], observed_since=[now]
        )
        return await self._ask("QuarantineNumbers", request)

    async def _give_back_too_early(self, held: Held) -> None:
        """The customers leave at once: their numbers stay assigned for now."""
        reply = await self._quarantine(held)
        if reply.reason != "OK" or reply.answer.rejected != len(held.given):
            self._desk.wrong(f"give back too early {held.given}", reply)

    async def _give_back(self, held: Held) -> None:
        """The customers leave again."""
        reply = await self._quarantine(held)
        held.end(reply.begun)
        accepted = reply.answer.accepted if reply.reason == "OK" else -1
        # A try without an answer may have given them back: then others may have them by now, and
        # have handed some out once more, since when our date is too early.
        before = 0
        if reply.tries > 1 and accepted >= 0:
            before = reply.answer.already_quarantined + reply.answer.rejected
        if accepted + before != len(held.given):
            self._desk.wrong(f"give back {held.given}", reply)
        self._write(held)

    async def _extend(self, held: Held) -> None:
        lease_s = self._dice.choice((1, 2, 600))
        held.end(int(time.time()) + lease_s)
        request = pb.ExtendReservationRequest(id=held.id, lease=Duration(seconds=lease_s))
        reply = await self._ask("ExtendReservation", request)
        if reply.reason != "OK":
            if reply.tries > 1:  # a try without an answer may have made the lease shorter
                held.expires_at = min(held.expires_at, int(reply.begun) + lease_s)
            self._ended(held, reply)
            return
        held.expires_at = reply.answer.expires_at.seconds
        if not int(reply.begun) <= held.expires_at - lease_s <= reply.ended:
            self._desk.wrong(f"extend by {lease_s}", reply)
        held.until = dict.fromkeys(held.numbers, held.expires_at)

    async def _cancel(self, held: Held) -> None:
        held.end(time.time())
        reply = await self._ask("CancelReservation", pb.CancelReservationRequest(id=held.id))
        if reply.reason != "OK":
            self._ended(held, reply)
            return
        if reply.answer.state != CANCELLED:
            self._desk.wrong("cancel", reply)
        held.state = CANCELLED
        self._close(held)

    async def _get(self, held: Held) -> None:
        reply = await self._ask("GetReservation", pb.GetReservationRequest(id=held.id))
        if reply.reason != "OK":
            self._ended(held, reply)
            return
        found: pb.Reservation = reply.answer
        expected = {ACTIVE, EXPIRED}
        if reply.ended < held.expires_at:
            expected = {ACTIVE}
        elif reply.begun >= held.expires_at + 1:
            expected = {EXPIRED}
        if (
            found.state not in expected
            or found.expires_at.seconds != held.expires_at
            or not set(found.numbers) <= set(held.numbers)
        ):
            self._desk.wrong(f"get {held.numbers} until {held.expires_at}", reply)
        if found.state == EXPIRED:
            held.state = EXPIRED
            self._close(held)

    async def _leave(self, held: Held) -> None:
        """Lets a short lease run out."""
        if held.expires_at > time.time() + 3:
            await self._cancel(held)
        else:
            self._close(held)

    def _ended(self, held: Held, reply: Reply) -> None:
        """The server says that there is nothing to change any more: the lease must be over."""
        forgotten = reply.reason == "NO_SUCH_RESERVATION" and reply.ended > held.expires_at + 30
        if not forgotten and (reply.reason != "WRONG_STATE" or reply.ended < held.expires_at):
            self._desk.wrong(f"{held.id} until {held.expires_at}", reply)
        held.end(held.expires_at)
        held.state = EXPIRED
        self._close(held)

    def _close(self, held: Held) -> None:
        self._held.remove(held)
        self._write(held)

    def _write(self, held: Held) -> None:
        self._desk.write(
            "reservation",
            id=held.id,
            numbers=held.numbers,
            given=held.given,
            state=held.state,
            first_expires_at=held.first_expires_at,
            expires_at=held.expires_at,
            begun=held.begun,
            created_at=held.created_at,
            answered=held.answered,
            until=[held.until[number] for number in held.numbers],
        )


def calls(called: Sequence[int], at: int, dice: random.Random) -> events.RecordEventsRequest:
    """One more call to each number than is allowed within NOISY_S."""
    every = [number for number in called for _ in range(CALLS)]
    callers = [441632960000 + place for place in dice.sample(range(1_000), CALLS)]
    return events.RecordEventsRequest(
        feed="switch",
        called=every,
        caller=callers * len(called),
        occurred_at=[at] * len(every),
        kind=[types.EVENT_KIND_CALL] * len(every),
    )


async def operate(desk: Desk, dice: random.Random) -> None:
    """Holds a few numbers now and then, and lets them go again."""
    while not desk.ending.is_set():
        chosen = dice.sample(desk.numbers, 2)
        reply = await desk.ask(dice, "HoldNumbers", commands.HoldNumbersRequest(numbers=chosen))
        desk.write("hold", numbers=chosen, begun=reply.begun, ended=reply.ended)
        await asyncio.sleep(0.1)
        reply = await desk.ask(dice, "UnholdNumbers", commands.UnholdNumbersRequest(numbers=chosen))
        if reply.reason != "OK":
            desk.wrong(f"unhold {chosen}", reply)
        await asyncio.sleep(dice.uniform(0, 0.4))


async def feed(desk: Desk, dice: random.Random) -> None:
    """Makes a few numbers noisy now and then, for a few seconds."""
    while not desk.ending.is_set():
        called, at = dice.sample(desk.numbers, 2), int(time.time())
        reply = await desk.ask(dice, "RecordEvents", calls(called, at, dice))
        if reply.reason == "OK" and reply.answer.accepted == CALLS * len(called):
            desk.write("calls", numbers=called, at=at, answered=reply.ended)
        await asyncio.sleep(dice.uniform(0, 0.5))


async def count_attempts(desk: Desk) -> None:
    """Says on the standard output how many there were, and how many wrong; never returns."""
    while True:
        print(desk.attempts, desk.wrongs, flush=True)
        await asyncio.sleep(0.2)


def _reason(error: grpc.aio.AioRpcError) -> str:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None or error.code().name in UNSURE:
        return error.code().name
    info = ErrorInfo()
    Status.FromString(details).details[0].Unpack(info)
    return "ALREADY_EXISTS" if error.code() == grpc.StatusCode.ALREADY_EXISTS else info.reason


async def main(address: str, record: str, *figures: str) -> None:
    """Works until the standard input ends."""
    seed, allocators, first, wanted = map(int, figures)
    desk = Desk(address, Path(record), range(first, first + wanted))
    counting = asyncio.create_task(count_attempts(desk))
    asyncio.get_running_loop().add_reader(sys.stdin, desk.ending.set)
    name = f"bss-{seed}"
    await asyncio.gather(
        operate(desk, random.Random(f"{name} operator")),
        feed(desk, random.Random(f"{name} feed")),
        *(
            Allocator(desk, f"{name}-{index}", hash((seed, index))).work()
            for index in range(allocators)
        ),
    )
    counting.cancel()
    await desk.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
