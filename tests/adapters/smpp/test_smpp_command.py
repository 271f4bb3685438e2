"""`ringfence adapter smpp`: what it wants to be told, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        ("gateway\n", "line 1: bound="),
        ("gateway s3cretword\n", "line 1: bound="),
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
