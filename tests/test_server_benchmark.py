"""The benchmark of the server still runs."""

import subprocess
import sys
from pathlib import Path

STREAM = Path(__file__).parents[1] / "benchmarks" / "stream.py"


def test_stream_benchmark_runs_and_says_how():
    done = subprocess.run(
        [sys.executable, STREAM, "--smoke"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("command: python ")
    assert "gRPC, 1 workers, 1 clients: " in done.stdout
    assert "of the engine alone" in done.stdout
