"""`python -m ringfence.server.cli` is `ringfence`, also where no script was installed."""

from ringfence.server.cli import main

main(prog_name="ringfence")
