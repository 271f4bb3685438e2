"""The engine equals the oracle after every step of any history.

RINGFENCE_EXAMPLES asks for a longer run.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from support.engine_machine import EngineMachine

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "14"))

TestEngineMachine = pytest.mark.filterwarnings("error")(EngineMachine.TestCase)
TestEngineMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
