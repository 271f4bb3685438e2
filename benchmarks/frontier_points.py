"""The points of the frontier's picture: where each policy lies, and which ones make a line."""

from collections.abc import Sequence

from ringfence.simulation.candidate import Candidate
from ringfence.simulation.outcome import Outcome

Line = Sequence[tuple[float, float, str]]
"""Released and residual, in percent, and what tells a point from the others of its line."""


def point_of(outcome: Outcome) -> tuple[float, float]:
    """Released of all numbers, and the residual share of these, in percent."""
    return 100 * outcome.released / outcome.numbers, 100 * (outcome.residual.share or 0.0)


def line_of(
    outcomes: Sequence[Outcome], policies: str, ring_entries: int, spray_window_s: int
) -> Line:
    """The points of one family, in order, with what tells them apart. Window 0 = no robots."""
    points = {}
    for outcome in outcomes:
        candidate = outcome.candidate
        if (
            isinstance(candidate, Candidate)
            and candidate.policy.name.startswith(policies)
            and candidate.ring_entries == ring_entries
            and (candidate.spray.window_s if candidate.spray.numbers else 0) == spray_window_s
        ):
            points[candidate.policy.name.removeprefix(policies)] = point_of(outcome)
    in_order = sorted(points, key=lambda name: int(name.rstrip("d")))
    return [(*points[name], name) for name in in_order]


def default_window_s(outcomes: Sequence[Outcome]) -> int:
    """The window in which the default policy's candidate looks for robots."""
    (window_s,) = {
        outcome.candidate.spray.window_s
        for outcome in outcomes
        if isinstance(outcome.candidate, Candidate) and outcome.candidate.policy.name == "default"
    }
    return window_s
