"""`python -m ringfence` is `ringfence`, also where no script was installed."""

from ringfence.cli import main

main(prog_name="ringfence")
