"""`python -m ringfence.cli` is `ringfence`, also where no script was installed."""

from ringfence.__main__ import run

run()
