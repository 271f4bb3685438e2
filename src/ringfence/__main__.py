"""The `ringfence` command, and `python -m ringfence` where no script was installed.

It is small, as Ctrl-C in the moments before it runs cannot be caught.
"""

from ringfence.early_interrupt import EndsQuietly


def run() -> None:
    """Runs the command line, and ends the process."""
    with EndsQuietly():  # until the command begins, which says what was done so far
        from ringfence.cli import main

        main(prog_name="ringfence")


if __name__ == "__main__":
    run()
