"""Makes the modules of `benchmarks` importable; they are scripts, not a part of the package."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
