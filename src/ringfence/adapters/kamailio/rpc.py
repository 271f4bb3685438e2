"""Kamailio's `jsonrpcs`: one call at a time, over its datagram socket or HTTP; it blocks.

Fetching takes a report out of the queue, so a call whose answer did not come may have taken one:
its number will be missing.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ringfence.adapters.base import shown

TIMEOUT_S = 5.0
ANSWER_MAX = 262_144


class NoAnswer(Exception):
    """The switch did not answer, or not as JSON-RPC says; the message says which."""


class Refused(Exception):
    """The switch answered with an error; `code` is that of HTTP."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class Carrier(Protocol):
    """Takes a request there and its answer back; raises OSError and HTTPException."""

    def ask(self, request: bytes) -> bytes:
        """The answer."""

    def close(self) -> None:
        """Lets go of the connection; the next question opens it again."""


class Rpc:
    """Calls methods by name."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._id = 0

    def call(self, method: str, *params: str) -> dict[str, Any]:
        """The result, an object. Raises NoAnswer and Refused."""
        self._id += 1
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": self._id}
        try:
            octets = self._carrier.ask(json.dumps(request).encode())
        except (OSError, http.client.HTTPException) as error:
            self._carrier.close()
            raise NoAnswer(shown(str(error)) or type(error).__name__) from None
        return self._result(octets)

    def _result(self, octets: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(octets)
            if "error" in answer:
                error = answer["error"]
                raise Refused(int(error["code"]), shown(str(error["message"])))
            result = answer["result"]
            if answer["id"] != self._id or not isinstance(result, dict):
                raise ValueError
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            self._carrier.close()  # a late answer must not be taken for the next one
            raise NoAnswer("what came is no answer of JSON-RPC to what was asked") from None
        return result

    def close(self) -> None:
        """Lets go of the connection."""
        self._carrier.close()


class DatagramSocket:
    """The `dgram_socket` of jsonrpcs; it answers to a socket of ours, which it must reach."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def ask(self, request: bytes) -> bytes:
        """The answer; raises OSError."""
        if self._socket is None:
            self._open()
        assert self._socket is not None
        self._socket.send(request)
        return self._socket.recv(ANSWER_MAX)

    def _open(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ringfence-kamailio-")
        os.chmod(self._folder.name, 0o711)
        ours = Path(self._folder.name, "answers")
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket = opened
        opened.settimeout(TIMEOUT_S)
        opened.bind(str(ours))
        ours.chmod(0o622)  # the switch is another user, and writes its answers here
        opened.connect(str(self._path))

    def close(self) -> None:
        """Closes it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class Http:
    """HTTP, POST to a URL; the connection is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path or "/"
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port or 80, timeout=TIMEOUT_S
        )

    def ask(self, request: bytes) -> bytes:
        """The answer; raises OSError and HTTPException."""
        self._connection.request("POST", self._path, request, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        octets = response.read(ANSWER_MAX)
        if not octets:
            raise http.client.HTTPException(f"HTTP {response.status} without a body")
        return octets

    def close(self) -> None:
        """Closes it."""
        with suppress(OSError):
            self._connection.close()


def carrier_of(url: str) -> Carrier:
    """`unix:/path` or `http://host:port/path`; raises ValueError."""
    if url.startswith("unix:/"):
        return DatagramSocket(Path(url.removeprefix("unix:")))
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url[:80]!r} is not unix:/PATH or http://HOST:PORT/PATH")
    return Http(url)
