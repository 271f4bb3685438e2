"""Where the settings of the configuration file are not those in force.

The file counts at the first start of a data folder; later commands win, and a start says where the
two differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TypeVar

from ringfence.engine.settings.policy import Feed, Policy, Pool
from ringfence.server.config.config import Config

_GIVEN = ("revision", "registration")  # by the keeper, and by no file
_Setting = TypeVar("_Setting", Policy, Pool, Feed)


def config_differences(
    config: Config,
    policies: Sequence[Policy | None],
    pools: Sequence[Pool | None],
    feeds: Sequence[Feed | None],
) -> list[str]:
    """A line for each setting that differs, and for each of the file that is not in force.

    None = an index that was left.
    """
    return [
        *_differences("policy", config.policies, policies),
        *_differences("pool", config.pools, pools),
        *_differences("feed", config.feeds, feeds),
    ]


def _differences(
    what: str, given: Sequence[_Setting], in_force: Sequence[_Setting | None]
) -> Iterator[str]:
    by_name = {setting.name: setting for setting in in_force if setting}
    for setting in given:
        present = by_name.get(setting.name)
        if present is None:
            yield f"{what} {setting.name}: in the configuration, not in force"
            continue
        differing = [
            field.name.removesuffix("_s")  # as the file has it
            for field in fields(setting)
            if field.name not in _GIVEN
            and getattr(setting, field.name) != getattr(present, field.name)
        ]
        if differing:
            yield (
                f"{what} {setting.name}: revision {present.revision} is in force, the configuration"
                f" differs in {', '.join(differing)}"
            )
