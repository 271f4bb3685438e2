"""The history process: writes the keeper's journal into the database, and answers ListHistory.

It is ready when it can be asked, not when the database is there: nothing waits for that.
"""

import asyncio
import logging
import signal
import sys

import grpc
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ringfence.server.folder.installation import Installation
from ringfence.server.followers.history.database import history_url, open_reader, told
from ringfence.server.followers.history.follower import Follower
from ringfence.server.followers.history.reader import HistoryPage
from ringfence.server.link.drain import Context
from ringfence.server.link.refusal import keeper_away
from ringfence.server.link.routes import parse, service
from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.link.turns import SWITCH_S, Turns
from ringfence.v1 import number_service_pb2
from ringfence.v1.number_service_pb2 import ListHistoryRequest

NUMBERS = number_service_pb2.DESCRIPTOR.services_by_name["NumberService"]
STOP_S = 1.0

_log = logging.getLogger(__name__)


def run_history(installation: Installation, signs: SignsOfLife) -> None:
    """Serves until SIGTERM."""
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_serve(installation, signs))


async def _serve(installation: Installation, signs: SignsOfLife) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    follower = Follower(installation)
    answers = HistoryAnswers(
        follower, open_reader(history_url(installation.config.history, installation.data))
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service(NUMBERS, {"ListHistory": answers.list_history}),))
    installation.history_socket.unlink(missing_ok=True)  # of the process before
    server.add_insecure_port(installation.history_address)
    await server.start()
    signs.ready()
    signs.follow(asyncio.get_running_loop())
    _log.info("ready")
    following = asyncio.create_task(follower.run())
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if following in done:
        following.result()  # raises: another process begins anew
    following.cancel()
    await server.stop(STOP_S)


class HistoryAnswers:
    """The one method that the history process serves, as the contract has it."""

    def __init__(self, follower: Follower, engine: Engine) -> None:
        self._follower = follower
        self._engine = engine
        self._turns = Turns("history-reader")

    async def list_history(self, message: bytes, _: Context) -> bytes:
        """What is committed; refused while it is not certain whose history it is."""
        request = parse(ListHistoryRequest, message)
        if self._follower.trouble is not None:
            raise keeper_away(self._follower.trouble)
        page = HistoryPage(self._engine, request)
        try:
            with self._turns.long_read() as read:
                while not await read.take(page.read):
                    pass
        except SQLAlchemyError as error:
            raise keeper_away(f"the history database cannot be used: {told(error)}") from None
        return page.encoded
