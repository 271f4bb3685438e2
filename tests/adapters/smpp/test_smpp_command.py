"""`ringfence adapter smpp`: what it wants to be told, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.programs import needs

PATIENCE_S = 60.0


def said(accounts: Path, *more: str) -> tuple[int, str]:
    """Its exit code and its last words."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ringfence.cli", "adapter", "smpp", "--listen", "127.0.0.1:0"),
            *("--accounts", str(accounts), "--feed", "sms-1", "--country", "44", *more),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no account"),
        ("# nobody\n", "has no account"),
        ("gateway\n", "line 1: something else, allowed: a system_id"),
        ("gateway s3cretword\n", "line 1: something else, allowed: a system_id"),
        ("gate\x1b[31mway secret\n", "line 1: something else, allowed: a system_id"),
        ("gateway one\ngateway two\n", "line 2: gateway is there twice"),
    ],
)
def test_accounts_that_cannot_be_right_are_said_without_a_password(
    text: str, words: str, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text(text)
    code, error = said(accounts)
    assert code == 4
    assert words in error
    assert "s3cretword" not in error


def test_a_certificate_goes_with_its_key(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("gateway secret\n")
    code, error = said(accounts, "--smpp-key", str(accounts))
    assert code == 2
    assert "go together" in error
    code, error = said(accounts, "--smpp-key", str(accounts), "--smpp-certificate", str(accounts))
    assert code == 4
    assert "secret" not in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--transceiver",), "--transceiver goes with --connect"),
        (("--smpp-tls",), "go with --connect"),
        (("--connect", "127.0.0.1:1"), "one of both"),
    ],
)
def test_what_would_do_nothing_is_said(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("gateway secret\n")
    code, error = said(accounts, *options)
    assert (code, words in error) == (2, True), error


@needs("openssl")
def test_nobody_is_asked_for_the_pass_phrase_of_a_key(tmp_path: Path) -> None:
    accounts, key = tmp_path / "accounts", tmp_path / "key.pem"
    accounts.write_text("gateway secret\n")
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=localhost"),
            *("-passout", "pass:fictional", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    code, error = said(accounts, "--smpp-key", str(key), "--smpp-certificate", str(certificate))
    assert (code, "the key has a pass phrase" in error) == (4, True), error
