"""The SMPP adapter as a process of its own, without a server: events are safe at once."""

import asyncio
import signal
import time
from collections.abc import Sequence

from ringfence.adapters.smpp.answers import Event
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.adapters.smpp.smsc import Smsc
from ringfence.wording.dialled import DialPlan

NAME, PASSWORD = "gateway", "secret"


class Nowhere:
    """Takes events and forgets them."""

    def send(self, called: int, caller: int, occurred_at: int, kind: int) -> bool:
        return True

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: int) -> None:
        pass

    def send_all(self, events: Sequence[Event]) -> bool:
        return True

    async def flush(self) -> None:
        await asyncio.sleep(0)

    def lose(self, began_at: int, ended_at: int) -> None:
        pass


async def main() -> None:
    """Serves until SIGTERM."""
    sink = Nowhere()
    reader = SmppReader(DialPlan.of_country(44))
    desk = Desk(reader, sink, Hearing([NAME], sink.lose, time.time()))
    smsc = Smsc(desk, {NAME: PASSWORD}, "127.0.0.1", 0)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(await smsc.open(), flush=True)
    await smsc.start()
    await stop.wait()
    await smsc.close()


if __name__ == "__main__":
    asyncio.run(main())
