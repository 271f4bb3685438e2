"""Records of TS 32.298 for tests: the part of its ASN.1 that tells of attempts, and random values.

asn1tools encodes them, so what reads them is held against another reading of the standard.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, NamedTuple

import asn1tools
from hypothesis import strategies as st

from ringfence import EventKind

MODULE = """
Records DEFINITIONS IMPLICIT TAGS ::= BEGIN

Record ::= CHOICE {
    moCall [0] MOCall, mtCall [1] MTCall, roaming [2] Roaming, incGateway [3] Gateway,
    outGateway [4] Gateway, transit [5] Transit, moSMS [6] MOSMS, mtSMS [7] MTSMS,
    mtSMSGW [9] MTSMSGW, ssAction [10] SSAction, hlrInt [11] HLRInt, termCAMEL [16] TermCAMEL,
    mtrf [21] MTRF, sCSCF [63] Session, iBCF [82] Session, sCSMT [94] SCSMT
}

MOCall ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING OPTIONAL,
    servedMSISDN [3] OCTET STRING OPTIONAL, callingNumber [4] OCTET STRING OPTIONAL,
    calledNumber [5] OCTET STRING, recordingEntity [9] OCTET STRING,
    location [12] Location OPTIONAL, basicService [14] Service OPTIONAL,
    supplServicesUsed [17] SEQUENCE OF Used OPTIONAL, time [22] OCTET STRING,
    releaseTime [24] OCTET STRING OPTIONAL, callDuration [25] INTEGER, causeForTerm [30] INTEGER,
    diagnostics [31] Diagnostics OPTIONAL, callReference [32] OCTET STRING,
    networkCallReference [38] OCTET STRING OPTIONAL, mSCAddress [39] OCTET STRING OPTIONAL
}
MTCall ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, calledNumber [3] OCTET STRING,
    callingNumber [4] OCTET STRING OPTIONAL, recordingEntity [6] OCTET STRING,
    location [9] Location OPTIONAL, basicService [11] Service OPTIONAL, time [19] OCTET STRING,
    callDuration [22] INTEGER, causeForTerm [27] INTEGER, diagnostics [28] Diagnostics OPTIONAL,
    callReference [29] OCTET STRING
}
Roaming ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, calledNumber [2] OCTET STRING,
    callingNumber [3] OCTET STRING OPTIONAL, roamingNumber [4] OCTET STRING OPTIONAL,
    recordingEntity [5] OCTET STRING, time [12] OCTET STRING, callDuration [15] INTEGER,
    causeForTerm [17] INTEGER, diagnostics [18] Diagnostics OPTIONAL,
    callReference [19] OCTET STRING
}
Gateway ::= SET {
    recordType [0] INTEGER, callingNumber [1] OCTET STRING OPTIONAL,
    calledNumber [2] OCTET STRING, recordingEntity [3] OCTET STRING,
    mscIncomingTKGP [4] TrunkGroup OPTIONAL, time [6] OCTET STRING,
    releaseTime [8] OCTET STRING OPTIONAL, callDuration [9] INTEGER, causeForTerm [11] INTEGER,
    diagnostics [12] Diagnostics OPTIONAL, callReference [13] OCTET STRING
}
Transit ::= SET {
    recordType [0] INTEGER, recordingEntity [1] OCTET STRING,
    mscIncomingTKGP [2] TrunkGroup OPTIONAL, callingNumber [4] OCTET STRING OPTIONAL,
    calledNumber [5] OCTET STRING, time [7] OCTET STRING, callDuration [10] INTEGER,
    causeForTerm [12] INTEGER, diagnostics [13] Diagnostics OPTIONAL,
    callReference [14] OCTET STRING
}
MOSMS ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, callingNumber [3] OCTET STRING OPTIONAL,
    serviceCentre [5] OCTET STRING, recordingEntity [6] OCTET STRING,
    location [7] Location OPTIONAL, messageReference [8] OCTET STRING, time [9] OCTET STRING,
    smsResult [10] Diagnostics OPTIONAL, calledNumber [12] OCTET STRING
}
MTSMS ::= SET {
    recordType [0] INTEGER, serviceCentre [1] OCTET STRING, servedIMSI [2] OCTET STRING,
    calledNumber [4] OCTET STRING, recordingEntity [6] OCTET STRING, time [8] OCTET STRING,
    smsResult [9] Diagnostics OPTIONAL
}
MTSMSGW ::= SET {
    recordType [0] INTEGER, serviceCentre [1] OCTET STRING, servedIMSI [2] OCTET STRING,
    calledNumber [3] OCTET STRING, recordingEntity [4] OCTET STRING, time [5] OCTET STRING,
    smsResult [6] Diagnostics OPTIONAL
}
SSAction ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, recordingEntity [5] OCTET STRING,
    ssActionTime [10] OCTET STRING, callReference [13] OCTET STRING
}
HLRInt ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, calledNumber [2] OCTET STRING,
    recordingEntity [3] OCTET STRING, basicService [4] Service OPTIONAL,
    routingNumber [5] RoutingNumber, time [6] OCTET STRING,
    interrogationResult [8] Diagnostics OPTIONAL
}
TermCAMEL ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, recordingEntity [3] OCTET STRING,
    interrogationTime [4] OCTET STRING OPTIONAL, serviceKey [7] INTEGER,
    calledNumber [12] OCTET STRING, callingNumber [13] OCTET STRING OPTIONAL,
    time [16] OCTET STRING, callDuration [19] INTEGER, causeForTerm [21] INTEGER,
    callReference [23] OCTET STRING
}
MTRF ::= SET {
    recordType [0] INTEGER, servedIMSI [1] OCTET STRING, calledNumber [3] OCTET STRING,
    callingNumber [4] OCTET STRING OPTIONAL, recordingEntity [6] OCTET STRING,
    basicService [9] Service OPTIONAL, time [10] OCTET STRING, callDuration [13] INTEGER,
    causeForTerm [14] INTEGER, callReference [16] OCTET STRING
}
Session ::= SET {
    recordType [0] INTEGER, sIP-Method [2] GraphicString OPTIONAL,
    role-of-Node [3] ENUMERATED { originating (0), terminating (1) } OPTIONAL,
    session-Id [5] GraphicString OPTIONAL, callingNumber [6] SEQUENCE OF Party OPTIONAL,
    calledNumber [7] Party, time [9] OCTET STRING, iMS-Charging-Identifier [19] OCTET STRING
}
SCSMT ::= SET {
    recordType [0] INTEGER, sMSNodeAddress [1] OCTET STRING, calledNumber [2] Node OPTIONAL,
    callingNumber [3] Node OPTIONAL, time [6] OCTET STRING, messageSize [11] INTEGER OPTIONAL,
    sMMessageType [15] ENUMERATED { submission (0), deliveryReport (1), delivery (3) } OPTIONAL
}
Node ::= SEQUENCE {
    imsi [0] OCTET STRING OPTIONAL, msisdn [1] OCTET STRING OPTIONAL, other [2] Address OPTIONAL
}
Address ::= SEQUENCE { type [0] INTEGER OPTIONAL, data [1] GraphicString OPTIONAL }
Party ::= CHOICE {
    sIP-URI [0] GraphicString, tEL-URI [1] GraphicString, iSDN-E164 [3] GraphicString
}
Location ::= SEQUENCE { locationAreaCode [0] OCTET STRING, cellId [1] OCTET STRING }
Service ::= CHOICE { bearerService [2] OCTET STRING, teleservice [3] OCTET STRING }
Used ::= SEQUENCE { ssCode [0] OCTET STRING, ssTime [1] OCTET STRING OPTIONAL }
TrunkGroup ::= CHOICE { tkgpNumber [0] INTEGER, tkgpName [1] GraphicString }
RoutingNumber ::= CHOICE { roaming [1] OCTET STRING, forwarded [2] OCTET STRING }
Diagnostics ::= CHOICE {
    gsm0408Cause [0] INTEGER, gsm0902MapErrorValue [1] INTEGER, itu-tQ767Cause [2] INTEGER
}
END
"""

TYPES = {
    **{"moCall": 0, "mtCall": 1, "roaming": 2, "incGateway": 3, "outGateway": 4, "transit": 5},
    **{"moSMS": 6, "mtSMS": 7, "mtSMSGW": 9, "hlrInt": 11, "termCAMEL": 17, "mtrf": 88},
    **{"sCSCF": 63, "iBCF": 82, "sCSMT": 94},
}
WITHOUT_CALLER = ("mtSMS", "mtSMSGW", "hlrInt")
MESSAGES = ("moSMS", "mtSMS", "mtSMSGW", "sCSMT")
SESSIONS = ("sCSCF", "iBCF")


class Wanted(NamedTuple):
    """A record, and the event that it is."""

    octets: bytes
    called: int
    caller: int
    at: int
    kind: EventKind

    @property
    def event(self) -> tuple[int, int, int, int]:
        """As the reader gives it out."""
        return self.called, self.caller, self.at, int(self.kind)


@lru_cache(1)
def compiled() -> Any:
    """What encodes records."""
    return asn1tools.compile_string(MODULE, "ber")


def swapped(digits: str) -> bytes:
    """TBCD: two digits an octet, the first one low; f to fill up."""
    digits += "f" * (len(digits) % 2)
    return bytes.fromhex("".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2)))


def timestamp(at: int, offset_minutes: int) -> bytes:
    """TimeStamp: the wall's time in BCD, and how far it is ahead."""
    wall = time.strftime("%y%m%d%H%M%S", time.gmtime(at + offset_minutes * 60))
    sign, minutes = (b"+", offset_minutes) if offset_minutes >= 0 else (b"-", -offset_minutes)
    return bytes.fromhex(wall) + sign + bytes.fromhex(f"{minutes // 60:02d}{minutes % 60:02d}")


@st.composite
def written_numbers(draw: st.DrawFn, number: int) -> bytes:
    """A British number as BCDDirectoryNumber, in one of the forms that equipment has."""
    national = f"{number % 10**10}"
    forms = [(0x91, f"{number}"), (0xA1, national), (0x81, f"0{national}"), (0x81, f"00{number}")]
    kind, digits = draw(st.sampled_from([*forms, (0xA1, f"0{national}"), (0x80, f"00{number}")]))
    return bytes((kind,)) + swapped(digits)


def with_presentation(number: bytes, indicator: int) -> bytes:
    """With an octet 3a: 0 = shown, 1 = restricted, 2 = not to be had."""
    return bytes((number[0] & 0x7F, 0x81 | indicator << 5)) + number[1:]


def message_address(number: bytes, digits: int) -> bytes:
    """The same as an address of a short message, which begins with how many digits it has."""
    return bytes((digits,)) + number


@st.composite
def records(draw: st.DrawFn, called: int) -> Wanted:
    """A record of an attempt at a number."""
    name = draw(st.sampled_from(sorted(TYPES)))
    at = draw(st.integers(1_577_836_800, 2_145_916_800))
    zone = draw(st.sampled_from([0, 60, -300, 330, 345, 840, -720]))
    short = draw(st.binary(min_size=1, max_size=8))
    value: dict[str, Any] = {
        **{"recordType": TYPES[name], "servedIMSI": b"\xff" * 8, "recordingEntity": short},
        **{"callDuration": 0, "causeForTerm": draw(st.integers(0, 300)), "callReference": short},
        **{"serviceCentre": short, "messageReference": b"\x01", "serviceKey": 7},
        **{"routingNumber": ("roaming", short), "iMS-Charging-Identifier": short},
        **{"sMSNodeAddress": short, "time": timestamp(at, zone)},
    }
    more = {
        "diagnostics": ("itu-tQ767Cause", draw(st.integers(0, 127))),
        "interrogationResult": ("gsm0902MapErrorValue", 1),
        "location": {"locationAreaCode": b"\x00\x01", "cellId": b"\x00\x02"},
        "mscIncomingTKGP": ("tkgpName", "IC03"),
        "basicService": ("teleservice", b"\x11"),
        "supplServicesUsed": [{"ssCode": b"\x11"}, {"ssCode": b"\x12", "ssTime": short}],
        "sMMessageType": "delivery",
    }
    value |= {key: more[key] for key in more if draw(st.booleans())}
    caller = draw(st.sampled_from([0, 441632960321, 442079460555]))
    value |= _called(draw, name, called)
    if name in WITHOUT_CALLER:
        caller = 0
    else:
        value |= _caller(draw, name, caller)
    kind = EventKind.SMS if name in MESSAGES else EventKind.CALL
    if name in SESSIONS and draw(st.booleans()):
        method = draw(st.sampled_from(["INVITE", "MESSAGE"]))
        value["sIP-Method"] = method
        kind = EventKind.SMS if method == "MESSAGE" else kind
    if name == "hlrInt" and draw(st.booleans()):
        value["basicService"] = ("teleservice", b"\x21")
        kind = EventKind.SMS
    octets = compiled().encode("Record", (name, value))
    return Wanted(bytes(octets), called, caller, at, kind)


def _called(draw: st.DrawFn, name: str, called: int) -> dict[str, Any]:
    number = draw(written_numbers(called))
    if name == "moSMS":
        digits = 2 * len(number[1:]) - (number[-1] >> 4 == 15)
        return {"calledNumber": message_address(number, digits)}
    if name in SESSIONS:
        forms = [("tEL-URI", f"tel:+{called}"), ("sIP-URI", f"sip:+{called}@ims.example")]
        return {"calledNumber": draw(st.sampled_from([*forms, ("iSDN-E164", f"{called}")]))}
    if name == "sCSMT":
        text = {"other": {"type": 1, "data": f"+{called}"}}
        return {"calledNumber": draw(st.sampled_from([{"msisdn": number}, text]))}
    return {"calledNumber": number}


def _caller(draw: st.DrawFn, name: str, caller: int) -> dict[str, Any]:
    if name in SESSIONS:
        hidden = ("sIP-URI", "sip:anonymous@anonymous.invalid")
        shown = [("sIP-URI", f"sip:+{caller}@x"), ("tEL-URI", f"tel:+{caller}")]
        return {"callingNumber": shown if caller else [hidden]}
    number = draw(written_numbers(caller or 441632960999))
    if name == "sCSMT":
        return {"callingNumber": {"msisdn": number}} if caller else {}
    if name == "moSMS":
        return {"callingNumber": number} if caller else {}
    if caller:
        shown = draw(st.booleans())
        return {"callingNumber": with_presentation(number, 0) if shown else number}
    indicator = draw(st.sampled_from([1, 2, None]))
    if indicator is None:
        return {}
    return {"callingNumber": with_presentation(number, indicator)}
