"""The sweep that answers questions, against the oracle."""

import random

import numpy as np
import pytest
from oracle import Answer
from support.asked_scan import answers
from support.oracle_pair import AHEAD, Pair, make_pair
from support.small_table import NUMBERS, START, SmallTable, make_table

from ringfence.engine.verdict.question_rows import QUESTIONS_MAX, Question, question_rows
from ringfence.engine.verdict.question_scan import QuestionScan
from ringfence.engine.words import State, Verdict


def expected(
    pair: Pair, told: dict[int, Answer], question: Question
) -> tuple[list[tuple[int, int]], int]:
    """What the oracle says of it, that has told of all numbers."""
    wanted = {
        n: a
        for n, a in told.items()
        if pair.oracle.records[n].pool == question.pool and str(n).startswith(question.prefix)
    }
    clean = sorted((a.clean_at, n) for n, a in wanted.items() if a.verdict == Verdict.CLEAN)
    ahead = [a.expected_at for a in wanted.values() if a.verdict in AHEAD]
    return clean, min(ahead, default=0)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "pools"), [(1, 1), (2, 5)])
def test_each_question_of_a_sweep_is_answered_as_if_it_were_the_only_one(
    seed: int, pools: int
) -> None:
    pair = make_pair(seed, pools=pools, ring_entries=12)
    dice = random.Random(seed)
    prefixes = ["", "4", "5", "44", "447700900", "447700900999"]
    prefixes += [
        str(dice.choice(list(pair.oracle.records)))[: dice.randint(9, 12)] for _ in "12345"
    ]
    questions = [Question(pool, prefix) for pool in range(pools + 1) for prefix in set(prefixes)]
    dice.shuffle(questions)
    found, next_clean_at = answers(pair.segment, pair.now, questions)
    told = pair.answers()
    for index, question in enumerate(questions):
        clean, ahead = expected(pair, told, question)
        assert (found[index], next_clean_at[index]) == (clean, ahead), question
        assert answers(pair.segment, pair.now, [question]) == ({0: clean}, [ahead])
    assert sum(map(bool, found.values())) > 3


def test_number_answers_every_question_that_has_a_beginning_of_it() -> None:
    number = str(NUMBERS[3])
    table = make_table()
    questions = [Question(0, number[:digits]) for digits in range(13)]
    found, _ = answers(table.segment, START + 10, questions)
    assert [len(rows) for rows in found.values()] == [8] * 12 + [1]


def test_prefix_that_is_longer_than_a_number_is_not_its_beginning() -> None:
    table = make_table(numbers=[4477009, 44770090, 447700900])
    questions = [Question(0, prefix) for prefix in ("4477009", "44770090", "4477009000")]
    found, _ = answers(table.segment, START + 10, questions)
    assert [[number for _, number in rows] for rows in found.values()] == [
        [4477009, 44770090, 447700900],
        [44770090, 447700900],
        [],
    ]


def test_step_ends_where_it_has_found_as_many_rows_as_it_may() -> None:
    table = make_table()
    questions = [Question(0, str(NUMBERS[0])[:digits]) for digits in range(12)]
    scan, ends, at = QuestionScan(table.segment, questions), [], 0
    while at < 8:
        step = scan.step(at, now=START + 1, records_max=8)
        assert step.clean.size == 12 * (step.end - at)
        at = step.end
        ends.append(at)
    assert ends == [1, 2, 3, 4, 5, 6, 7, 8]


def test_numbers_of_other_pools_and_free_ones_answer_nothing() -> None:
    table: SmallTable = make_table()
    table.writer.set_state(NUMBERS[5], State.FREE, since=START)
    found, next_clean_at = answers(table.segment, START, [Question(0), Question(7)])
    assert [number for _, number in found[0]] == [n for n in NUMBERS if n != NUMBERS[5]]
    assert (found[1], next_clean_at) == ([], [0, 0])


def test_questions_have_bounds() -> None:
    segment = make_table().segment
    for prefix in ("+44", "044", "4" * 16, "44 7"):
        with pytest.raises(ValueError, match="prefix: value="):
            QuestionScan(segment, [Question(0, prefix)])
    for pool in (-1, 1024):
        with pytest.raises(ValueError, match=f"pool: value={pool}, bound=0 to 1023"):
            QuestionScan(segment, [Question(pool)])
    for many in (0, QUESTIONS_MAX + 1):
        with pytest.raises(ValueError, match=f"questions: value={many}, bound=1 to 65536"):
            QuestionScan(segment, [Question(0)] * many)


def test_rows_of_each_pool_stand_together_and_know_what_is_around_them() -> None:
    asked = [Question(2, "449"), Question(2, "44"), Question(0), Question(2), Question(2, "45")]
    rows, begins = question_rows(asked, pools_max=4)
    assert rows["question"].tolist() == [2, 3, 1, 0, 4]
    assert rows["around"].tolist() == [-1, -1, 1, 2, 1]
    assert begins.tolist() == [0, 1, 1, 5, 5]
    assert np.all(rows["first"] < rows["end"])
