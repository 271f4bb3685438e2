"""A sweep that answers questions, from the first record to the last."""

from ringfence.engine.memory.segment import Segment
from ringfence.engine.verdict.question_rows import Question
from ringfence.engine.verdict.question_scan import QuestionScan

Found = dict[int, list[tuple[int, int]]]
"""By index of the question: clean_at and number of the clean ones, in their order."""


def answers(
    segment: Segment, now: int, questions: list[Question], records_max: int = 37
) -> tuple[Found, list[int]]:
    """What a whole sweep in steps finds for each question, and when the next one is clean."""
    scan, at = QuestionScan(segment, questions), 0
    found: Found = {index: [] for index in range(len(questions))}
    while at < segment.numbers:
        step = scan.step(at, now=now, records_max=records_max)
        assert at < step.end <= min(at + records_max, segment.numbers)
        at = step.end
        for row in step.clean:
            found[int(row["pool"])].append((int(row["clean_at"]), int(row["number"])))
    return {index: sorted(rows) for index, rows in found.items()}, scan.next_clean_at.tolist()
