"""`ringfence adapter kamailio`: calls and messages that a Kamailio's script reports."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from ringfence import EventStream, RingfenceError, Tls
from ringfence.adapters.base import summary
from ringfence.adapters.first_look import look_at_server
from ringfence.adapters.kamailio.evapi import Evapi
from ringfence.adapters.kamailio.heard import Heard
from ringfence.adapters.kamailio.mqueue import Mqueue
from ringfence.adapters.kamailio.reader import ReportReader
from ringfence.adapters.kamailio.rpc import Rpc, carrier_of
from ringfence.adapters.kamailio.source import KamailioSource, Way
from ringfence.adapters.kamailio.state import State, StateError, StateKeeper, read_state
from ringfence.adapters.run import NotAnswered, run_live, sent_summary
