"""Policies whose windows pass within a test's few minutes."""

from hypothesis import strategies as st

from ringfence.engine.settings.policy import Policy, Rule
from ringfence.engine.words import EventKind, Measure


@st.composite
def policies(draw: st.DrawFn, name: str) -> Policy:
    """One that is often broken, and soon kept again."""
    rules = []
    for _ in range(draw(st.integers(1, 2))):
        measure = draw(st.sampled_from(list(Measure)))
        kinds = draw(st.sampled_from([frozenset(), frozenset({EventKind.CALL})]))
        rules.append(Rule(measure, draw(st.integers(1, 90)), draw(st.integers(0, 2)), kinds))
    return Policy(
        name=name,
        rules=tuple(rules),
        minimum_age_s=draw(st.sampled_from([0, 0, 0, 60, 600])),
        maximum_age_s=draw(st.sampled_from([None, 500])),
        quiet_period_s=draw(st.sampled_from([0, 20, 100])),
        minimum_coverage=draw(st.sampled_from([0.0, 0.0, 0.5, 0.9])),
    )
