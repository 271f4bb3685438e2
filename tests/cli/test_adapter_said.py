"""What adapters say is one line of text, whatever a file is called."""

import pytest

from ringfence.cli.adapter_run import said_by


def test_what_a_file_is_called_writes_no_line_and_moves_no_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said_by("cdr")("a\x1b[2J\nringfence: all is well\udcff/\xe9.csv: a record is torn")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(r"ringfence adapter cdr: a\x1b[2J\nringfence: all is well\udcff/")
    assert said.endswith("\xe9.csv: a record is torn\n")
