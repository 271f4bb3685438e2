"""What is said of commands that are not taken: each reason once, and no false alarm."""

from ringfence.server.worker.command_health import CommandHealth


def test_another_reason_is_said_and_other_figures_of_the_same_one_are_not():
    health = CommandHealth(0)
    assert health.hear("", 1)
    assert not health.hear("", 1)
    assert health.hear("the journal is down", 2)
    assert health.hear("the history is behind: bytes=17, limit=16", 3)
    assert not health.hear("the history is behind: bytes=18, limit=16", 4)
    assert health.held_up == "the history is behind: bytes=18, limit=16"
    assert health.hear("", 5)
    assert health.held_up == ""


def test_a_keeper_is_away_after_five_silent_seconds_and_not_before():
    health = CommandHealth(0)
    assert health.hear("", 10)
    assert not health.hear(None, 11)
    assert not health.hear(None, 14.9)
    assert health.hear(None, 15)
    assert health.held_up == "the keeper does not answer"
    assert not health.hear(None, 16)


def test_what_holds_commands_up_after_a_silence_is_said_too():
    health = CommandHealth(0)
    assert health.held_up is None
    assert health.hear(None, 5)
    assert health.hear("the history is behind: bytes=17, limit=16", 6)


def test_a_keeper_that_is_heard_by_others_is_not_away():
    health = CommandHealth(0)
    assert not health.hear(None, 6, heard_at=2)
    assert health.hear(None, 7, heard_at=2)
