"""`ringfence adapter kamailio`: calls and messages that a Kamailio's script reports."""

from __future__ import annotations
