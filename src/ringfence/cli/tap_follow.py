"""`ringfence adapter tap --read DIR --follow`: a directory that another program captures to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from ringfence.adapters.tap.capture_stream import CaptureStream
from ringfence.adapters.tap.followed import CaptureFollower
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.cli.follow_run import Begun, Following, run_follow


def follow_captures(wanted: Following, start: Callable[[], Tshark], reader: TapReader) -> None:
    """Follows until SIGTERM or Ctrl-C; raises what click turns into exit codes."""
    with closing(Relay(start)) as relay:
        stream = CaptureStream(relay, reader)

        def make(begun: Begun) -> CaptureFollower:
            return CaptureFollower(
                begun.files,
                relay,
                stream,
                begun.stream,
                wanted.say,
                heard=begun.heard,
                resumed=begun.resumed,
                lose=begun.lose,
            )

        run_follow(wanted, make)
