"""How a pool is doing, in words and bars: complaints for each 1,000 hand-outs, and the forecast."""

from collections.abc import Sequence
from datetime import timedelta

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringfence import PoolStatus, Verdict
from ringfence.wording.promise import CONDITION
from ringfence.wording.times import time_text

_DAY = timedelta(days=1)
_BAR_WIDTH = 50


def complaints_text(status: PoolStatus) -> str:
    """Complaints for each 1,000 numbers handed out; - when none was."""
    if not status.assigned_total:
        return "-"
    return f"{1_000 * status.complaints / status.assigned_total:.1f}"


def forecast_chart(pools: Sequence[PoolStatus]) -> RenderableType:
    """For each pool how many numbers become clean on each of the next days, as bars."""
    most = max((count for status in pools for count in status.forecast), default=0)
    return Group(*(_chart(status, most) for status in pools))


def _chart(status: PoolStatus, most: int) -> RenderableType:
    clean = status.verdict_counts.get(Verdict.CLEAN, 0)
    heading = Text.assemble(
        (status.pool.name, "bold"),
        f": {clean:,} clean now; {sum(status.forecast):,} more within {len(status.forecast)} days,"
        f" {CONDITION}",
    )
    chart = Table.grid(padding=(0, 2))
    for _ in range(2):
        chart.add_column(justify="right")
    for day, count in enumerate(status.forecast, 1):
        until = None if status.counted_at is None else status.counted_at + day * _DAY
        bar = Bar(max(most, 1), 0, count, width=_BAR_WIDTH, color="green")
        chart.add_row(f"until {time_text(until)}" if until else f"day {day}", f"{count:,}", bar)
    return Group(heading, chart, "")
