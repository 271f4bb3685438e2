"""The settings that a new installation begins with."""

from dataclasses import replace

from ringfence.server.config.config import Config
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.state.setting_messages import feed_message, policy_message, pool_message


def first_settings(config: Config) -> KeeperValue:
    """The settings of the file, as the first command: from then on only commands change them."""
    value = KeeperValue(command="config")
    for index, policy in enumerate(config.policies):
        value.policies.add(index=index, policy=policy_message(replace(policy, revision=1)))
    for index, pool in enumerate(config.pools):
        value.pools.add(index=index, pool=pool_message(replace(pool, revision=1)))
    for index, feed in enumerate(config.feeds):
        placed = feed_message(replace(feed, revision=1))
        value.feeds.add(index=index, feed=placed, registration=index + 1)
    return value
