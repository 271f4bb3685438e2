"""What captures hold that nobody may find elsewhere: callers' numbers and the texts of messages.

Each in the forms in which it may leak: digits, nibbles as signalling writes them, integers, hex.
"""

import csv
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

TEXT_FIELDS = ("gsm_sms.sms_text", "smpp.message")
TEXT_LETTERS_MIN = 5
"""Shorter ones are found everywhere."""


def callers(truth: Sequence[Path]) -> set[str]:
    """All callers, less those whose number is called too: it may be found as that."""
    rows = [row for path in truth for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    called = {row["called_e164"] for row in rows}
    return {row["caller_e164"] for row in rows if row["caller_e164"].isdigit()} - called


def texts(captures: Sequence[Path]) -> set[str]:
    """The texts of short messages, as tshark shows them if it is asked to."""
    fields = [option for name in TEXT_FIELDS for option in ("-e", name)]
    found = set()
    for capture in captures:
        command = ("tshark", "-r", str(capture), "-T", "fields", "-E", "separator=/t", *fields)
        done = subprocess.run(command, check=True, capture_output=True)
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            read, octets = line.split("\t")[:2]
            found.add(read)
            found.update(bytes.fromhex(each).decode("latin-1") for each in octets.split(","))
    return {each for each in found if len(each) >= TEXT_LETTERS_MIN and not each.isdigit()}


def number_forms(digits: str) -> Iterator[bytes]:
    """A number with its country's code of two digits; the rest of it stands for both."""
    national = digits[2:]
    yield national.encode()
    yield from _hex(national.encode())
    swapped = "".join(national[at + 1] + national[at] for at in range(0, len(national) - 1, 2))
    yield swapped.encode()
    yield bytes.fromhex(swapped)
    whole = int(digits)
    for order in ("little", "big"):
        yield whole.to_bytes(8, order)
    yield from _hex(whole.to_bytes(8, "big").lstrip(b"\0"))


def text_forms(text: str) -> Iterator[bytes]:
    """A text, in its alphabets."""
    plain = text.encode("utf-8", "replace")
    packed = sum((ord(each) & 0x7F) << 7 * at for at, each in enumerate(text))
    seven = packed.to_bytes(len(text) * 7 // 8, "little") if len(text) % 8 == 0 else b""
    head = packed.to_bytes(len(text), "little")[: len(text) * 7 // 8]  # whole octets of it
    for octets in (plain, text.encode("utf-16-be"), head, seven):
        if len(octets) >= TEXT_LETTERS_MIN - 1:
            yield octets
            yield from _hex(octets)


def found_in(octets: bytes, forms: dict[str, list[bytes]]) -> set[str]:
    """What of it is in there."""
    return {name for name, of in forms.items() if any(form in octets for form in of)}


def _hex(octets: bytes) -> Iterator[bytes]:
    plain = octets.hex().encode()
    yield plain
    yield plain.upper()
    yield octets.hex(":").encode()
