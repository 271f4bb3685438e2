"""Values of FreeSWITCH's JSON, and whether they say that the caller withholds the number.

`caller_id_number` is what the network asserts where it asserts something, whatever From says. The
flag that the number is withheld stands in no record (`switch_ivr_generate_json_cdr` leaves it out;
`privacy_hide_number` is a field of the dialplan and of events). What sets the flag does: variables
that mod_sofia makes of From, Privacy and Remote-Party-ID, and the application `privacy`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from ringfence.adapters.sip import HIDDEN_HOSTS
from ringfence.wording.withheld import USUAL

_SIGNS = re.compile(r"[;,:\s]+")
_PRIVACY = frozenset(("id", "user", "header"))
"""Values of the header that hide the number (RFC 3323 4.2, RFC 3325 9.3)."""
_PARTY_PRIVACY = re.compile(r";\s*privacy\s*=\s*\"?(?:full|yes|number)\b", re.IGNORECASE)
_ORDERS = frozenset(("full", "number", "yes", "on", "true", "t", "enabled", "active", "allow", "1"))
"""What hides the number when the application `privacy` is given it; `name` does not."""


def is_hidden(variables: dict[str, Any], app_log: dict[str, Any]) -> bool:
    """Whether the caller, another network or the dialplan withholds the caller's number."""
    user = text_of(variables, "sip_from_user")
    return (
        not _PRIVACY.isdisjoint(_SIGNS.split(text_of(variables, "sip_Privacy").lower()))
        or _PARTY_PRIVACY.search(text_of(variables, "sip_Remote-Party-ID")) is not None
        or "hide_number" in text_of(variables, "origination_privacy").lower()
        or (user != "" and USUAL.covers(user))
        or text_of(variables, "sip_from_host").lower() in HIDDEN_HOSTS
        or _is_ordered(app_log)
    )


def _is_ordered(app_log: dict[str, Any]) -> bool:
    """What the dialplan said last."""
    applications = app_log.get("applications")
    hidden = False
    for each in applications if isinstance(applications, list) else ():
        application = dict_of(each)
        if text_of(application, "app_name") == "privacy":
            order = text_of(application, "app_data").strip().lower()
            hidden = order in _ORDERS or (hidden and order == "name")
    return hidden


def dict_of(value: Any) -> dict[str, Any]:
    """An object; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def text_of(values: dict[str, Any], name: str) -> str:
    """A value, without its URL encoding; no number or name of a time has a % of its own."""
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if not isinstance(value, str):
        return ""
    return unquote(value) if "%" in value else value
