"""What a server promises of numbers that only lack coverage: how many, and when the next is."""

import time

import pytest
from support.asking import ask, metadata_of, new_pool, put_policy, refusal, stock, verdicts
from support.long_ago import DAY_S, LONG_AGO
from support.server_process import wait_until

pytestmark = pytest.mark.slow

HALF_S = 1_800  # of the hour that the policy looks back on


def forecast(peer, pool):
    listed = ask(peer, "ListPools", forecast_days=3).pools
    return next(list(status.forecast) for status in listed if status.pool.name == pool)


def test_number_that_nobody_listened_to_is_promised_for_when_enough_was(peer, fresh_numbers):
    ask(peer, "PutFeed", feed={"name": "deaf"})
    put_policy(peer, "heard", minimum_coverage=0.5)
    pool, asked = new_pool(peer, "heard", required_feeds=["deaf"]), fresh_numbers(2)
    stock(peer, pool, asked)
    assert verdicts(peer, *asked) == ["UNOBSERVED"] * 2
    before = int(time.time())
    told = metadata_of(refusal(peer, "ReserveNumbers", pool=pool, count=1))
    checked = ask(peer, "CheckNumbers", numbers=asked)
    assert told["clean"] == "0"
    assert before + HALF_S <= int(told["next_clean_at"]) <= checked.expected_at[0]
    assert list(checked.clean_at) == [LONG_AGO + DAY_S, LONG_AGO + DAY_S + 1]  # long past
    wait_until(lambda: forecast(peer, pool) == [2, 0, 0])
