"""What regulators ask for, from the history: who was in quarantine, who was disconnected, how long.

A number is in quarantine from its quarantined_at, whenever that was told, until it is assigned,
retired or restored; held and reserved numbers are in it too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    case,
    func,
    or_,
    select,
)

from ringfence.engine.words import TRACKED, DisconnectReason, State
from ringfence.server.followers.history.tables import CHANGES, COMPLAINTS, DECISIONS, HOLES, POOLS

DAY_S = 86_400
AGES_DAYS = (45, 90, 180, 365)
"""Bounds between which numbers are counted: the periods that regulators set."""
ROWS_AT_ONCE = 10_000
RESTORE = "RestoreNumbers"


@dataclass(frozen=True)
class Quarantined:
    """A number that was in quarantine."""

    number: int
    pool: str
    quarantined_at: int
    reason: DisconnectReason
    state: State


@dataclass(frozen=True)
class Disconnected:
    """A number and when its last subscriber left."""

    number: int
    disconnected_at: int


@dataclass(frozen=True)
class Complained:
    """How many complaints there were of numbers of a pool, handed out under a policy."""

    pool: str
    policy: str
    complaints: int


@dataclass(frozen=True)
class Ages:
    """How many numbers of a pool were in quarantine, by how long they had been."""

    pool: str
    numbers: int
    counts: tuple[int, ...]
    """One for each of AGES_DAYS: younger than that, and not counted before; and the rest."""
    oldest: int
    """The earliest quarantined_at."""


def quarantined_numbers(connection: Connection, at: int, pool: str = "") -> Iterator[Quarantined]:
    """The numbers that were in quarantine at a moment, by number; of one pool if it is named."""
    placed = _in_quarantine(at)
    statement = (
        select(
            placed.c.number,
            placed.c.name,
            placed.c.quarantined_at,
            placed.c.reason,
            placed.c.state,
        )
        .where(*_of(placed, pool))
        .order_by(placed.c.number)
    )
    for number, name, quarantined_at, reason, state in _streamed(connection, statement):
        yield Quarantined(
            number, name or "", quarantined_at, DisconnectReason(reason), State(state)
        )


def disconnected_numbers(
    connection: Connection, since: int, until: int, pool: str = ""
) -> Iterator[Disconnected]:
    """The numbers whose subscriber left for good in [since, until), each with the last such time.

    Not those that were given back to that subscriber, nor those that never had one.
    """
    placed = _placed()
    begins = and_(placed.c.state.in_(TRACKED), _not_tracked(placed.c.state_before))
    marks = (
        select(
            placed,
            begins.label("begins"),
            func.lead(placed.c.command)
            .over(partition_by=placed.c.number, order_by=(placed.c.position, placed.c.row))
            .label("next_command"),
        )
        .where(or_(begins, placed.c.command == RESTORE))
        .subquery()
    )
    statement = (
        select(marks.c.number, func.max(marks.c.quarantined_at))
        .where(
            marks.c.begins,
            func.coalesce(marks.c.next_command, "") != RESTORE,
            marks.c.reason != DisconnectReason.NEVER_ASSIGNED,
            marks.c.quarantined_at >= since,
            marks.c.quarantined_at < until,
            *_of(marks, pool),
        )
        .group_by(marks.c.number)
        .order_by(marks.c.number)
    )
    for number, disconnected_at in _streamed(connection, statement):
        yield Disconnected(number, disconnected_at)


def ages(connection: Connection, at: int, pool: str = "") -> Iterator[Ages]:
    """How many numbers of each pool were in quarantine at a moment, by age; pools by name."""
    placed = _in_quarantine(at)
    age_s = at - placed.c.quarantined_at
    edges = (0, *(days * DAY_S for days in AGES_DAYS))
    counts = [
        func.sum(case((and_(age_s >= low, age_s < high), 1), else_=0))
        for low, high in pairwise(edges)
    ]
    counts.append(func.sum(case((age_s >= edges[-1], 1), else_=0)))
    statement = (
        select(placed.c.name, func.count(), func.min(placed.c.quarantined_at), *counts)
        .where(*_of(placed, pool))
        .group_by(placed.c.name)
        .order_by(placed.c.name)
    )
    for name, numbers, oldest, *counted in connection.execute(statement):
        yield Ages(name or "", numbers, tuple(counted), oldest)


def complaints(
    connection: Connection, since: int, until: int, pool: str = ""
) -> Iterator[Complained]:
    """How many complaints were received in [since, until), by the pool and the policy under which
    their numbers were handed out.
    """
    received = (
        select(COMPLAINTS.c.policy, POOLS.c.name)
        .outerjoin(POOLS, POOLS.c.id == COMPLAINTS.c.pool)
        .where(COMPLAINTS.c.received_at >= since, COMPLAINTS.c.received_at < until)
        .subquery()
    )
    statement = (
        select(received.c.name, received.c.policy, func.count())
        .where(*_of(received, pool))
        .group_by(received.c.name, received.c.policy)
        .order_by(received.c.name, received.c.policy)
    )
    for name, policy, count in connection.execute(statement):
        yield Complained(name or "", policy, count)


def holes(connection: Connection) -> list[tuple[int, int]]:
    """Of each hole in the history the positions before and after it."""
    return [
        (after, before)
        for after, before in connection.execute(
            select(HOLES.c.after, HOLES.c.before).order_by(HOLES.c.after)
        )
    ]


def _placed() -> Subquery:
    """Each command on a number: the state before it, and when the next one came."""
    number, order = CHANGES.c.number, (CHANGES.c.position, CHANGES.c.row)
    state_before = func.lag(CHANGES.c.state).over(partition_by=number, order_by=order)
    next_at = func.lead(DECISIONS.c.decided_at).over(partition_by=number, order_by=order)
    return (
        select(
            CHANGES.c.position,
            CHANGES.c.row,
            number,
            CHANGES.c.state,
            CHANGES.c.quarantined_at,
            CHANGES.c.reason,
            POOLS.c.name,
            DECISIONS.c.decided_at,
            DECISIONS.c.command,
            state_before.label("state_before"),
            next_at.label("next_at"),
        )
        .join(DECISIONS, DECISIONS.c.position == CHANGES.c.position)
        .outerjoin(POOLS, POOLS.c.id == CHANGES.c.pool)
        .where(CHANGES.c.state.is_not(None))
        .subquery()
    )


def _in_quarantine(at: int) -> Subquery:
    placed = _placed()
    return (
        select(placed)
        .where(
            placed.c.state.in_(TRACKED),
            or_(
                placed.c.decided_at <= at,
                and_(placed.c.quarantined_at <= at, _not_tracked(placed.c.state_before)),
            ),
            or_(placed.c.next_at.is_(None), placed.c.next_at > at),
        )
        .subquery()
    )


def _not_tracked(state: ColumnElement[int | None]) -> ColumnElement[bool]:
    return func.coalesce(state, State.EMPTY).not_in(TRACKED)


def _of(rows: Subquery, pool: str) -> list[ColumnElement[bool]]:
    return [rows.c.name == pool] if pool else []


def _streamed(
    connection: Connection, statement: Select[*tuple[Any, ...]]
) -> Iterator[Row[*tuple[Any, ...]]]:
    yield from connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE})
