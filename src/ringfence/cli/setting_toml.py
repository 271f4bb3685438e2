"""A policy, pool or feed as the file that `put` reads: JSON's texts and arrays are TOML's too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ringfence import Feed, Policy, Pool, Rule
from ringfence.server.config.duration import format_duration


@dataclass(frozen=True)
class SettingToml:
    """One setting in the form of the configuration."""

    kind: str
    keys: Mapping[str, str]
    """What the table says, each value as TOML."""
    below: str = ""
    """The tables inside it."""

    @property
    def text(self) -> str:
        """The whole file."""
        lines = [f"[[{self.kind}]]", *(f"{key} = {value}" for key, value in self.keys.items())]
        return "\n".join(lines) + "\n" + self.below


def pool_toml(pool: Pool) -> SettingToml:
    """The file of a pool."""
    return SettingToml(
        "pool",
        {
            "name": _string(pool.name),
            "description": _string(pool.description),
            "policy": _string(pool.policy),
            "required_feeds": json.dumps(pool.required_feeds),
        },
    )


def feed_toml(feed: Feed) -> SettingToml:
    """The file of a feed."""
    keys = {"name": _string(feed.name), "description": _string(feed.description)}
    if feed.silence_max is not None:
        keys["silence_max"] = _duration(feed.silence_max)
    return SettingToml("feed", keys)


def policy_toml(policy: Policy) -> SettingToml:
    """The file of a policy."""
    keys = {
        "name": _string(policy.name),
        "description": _string(policy.description),
        "minimum_age": _duration(policy.minimum_age),
    }
    if policy.maximum_age is not None:
        keys["maximum_age"] = _duration(policy.maximum_age)
    keys |= {
        "quiet_period": _duration(policy.quiet_period),
        "minimum_coverage": str(policy.minimum_coverage),
    }
    return SettingToml("policy", keys, "".join(map(_rule, policy.rules)))


def _rule(rule: Rule) -> str:
    lines = ["", "[[policy.rule]]", f'measure = "{rule.measure.name}"']
    if rule.kinds:
        lines.append(f"kinds = {json.dumps([kind.name for kind in sorted(rule.kinds)])}")
    lines += [f"window = {_duration(rule.window)}", f"limit = {rule.limit}"]
    return "\n".join(lines) + "\n"


def _duration(duration: timedelta) -> str:
    return f'"{format_duration(int(duration.total_seconds()))}"'


def _string(text: str) -> str:
    """JSON's is TOML's too, but for one control character that JSON lets pass."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
