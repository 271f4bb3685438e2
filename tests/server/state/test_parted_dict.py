"""A mapping in parts against a dictionary, and lines of keys against ordered dictionaries."""

import sys
from collections import OrderedDict, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.server.state.lines import Lines
from ringfence.server.state.parted_dict import PARTS, PartedDict, PartedNumbers

KEYS = st.integers(0, 30)


@given(st.lists(st.tuples(st.sampled_from(["set", "del", "set_all", "drop_all"]), KEYS, KEYS)))
def test_parts_are_what_one_dictionary_is(steps):
    parted: PartedNumbers[int] = PartedNumbers()
    plain: dict[int, int] = {}
    for step, key, value in steps:
        keys = range(key, value)
        if step == "set":
            parted[key] = plain[key] = value
        elif step == "del":
            assert parted.pop(key, None) == plain.pop(key, None)
        elif step == "set_all":
            parted.set_all(keys, value)
            plain |= dict.fromkeys(keys, value)
        else:
            parted.drop_all(keys)
            plain = {each: plain[each] for each in plain if each not in keys}
        assert (len(parted), dict(parted)) == (len(plain), plain)
        assert (key in parted) == (key in plain)
        assert parted.get(key) == plain.get(key)


def test_many_numbers_are_set_and_dropped_as_few_are():
    parted: PartedNumbers[str] = PartedNumbers()
    numbers = [447700900000 + 7 * n % 1_000 for n in range(900)]
    parted.set_all(numbers, "a")
    parted.set_all(numbers[:5], "b")
    assert dict(parted) == dict.fromkeys(numbers, "a") | dict.fromkeys(numbers[:5], "b")
    parted.drop_all([*numbers[3:], 447700900999, *numbers[3:9]])
    assert (len(parted), dict(parted)) == (3, dict.fromkeys(numbers[:3], "b"))


def test_what_is_not_there_is_a_key_error():
    parted: PartedDict[str, int] = PartedDict()
    with pytest.raises(KeyError):
        parted["a"]
    with pytest.raises(KeyError):
        del parted["a"]
    assert len(parted) == 0


@pytest.mark.parametrize("of", [lambda n: 447700900000 + n, lambda n: f"{n:012x}-0badcafe"])
def test_few_parts_take_their_entries_elsewhere_at_a_time(of):
    parted: PartedDict[object, None] = PartedDict()
    sizes = [sys.getsizeof(part) for part in parted._parts]
    for begin in range(0, 300_000, 3_000):
        for n in range(begin, begin + 3_000):
            parted[of(n)] = None
        before, sizes = sizes, [sys.getsizeof(part) for part in parted._parts]
        moved = sum(size for size, was in zip(sizes, before, strict=True) if size != was)
        if begin > 100_000:  # a dictionary takes all at once, somewhere on the way
            assert moved < sum(sizes) / 4
    shares = sorted(map(len, parted._parts))
    assert len(parted) == sum(shares) == 300_000
    assert shares[-1] < 3 * shares[0]
    assert shares[-1] < 2 * len(parted) / PARTS


LINE_STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "prepend", "remove"]), st.sampled_from("abc"), KEYS)
)


@given(LINE_STEPS)
def test_lines_are_what_an_ordered_dictionary_each_is(steps):
    lines: Lines[str, int] = Lines()
    plain: defaultdict[str, OrderedDict[int, None]] = defaultdict(OrderedDict)
    where: dict[int, str] = {}
    for step, name, key in steps:
        if key in where:
            old = where.pop(key)
            lines.remove(old, key)
            del plain[old][key]
        if step != "remove":
            where[key] = name
            plain[name][key] = None
            if step == "append":
                lines.append(name, key)
            else:
                lines.prepend(name, key)
                plain[name].move_to_end(key, last=False)
        for each in "abc":
            assert list(lines.walk(each)) == list(plain[each])
            assert lines.first(each) == next(iter(plain[each]), None)
        assert len(lines) == len(where)
    for key, name in where.items():
        lines.remove(name, key)
    assert len(lines) == len(lines._first) == len(lines._last) == 0  # nothing is left of a line
