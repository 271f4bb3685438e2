"""Pools, policies, feeds, status and clock: the rest of QuarantineService, for both clients."""

from ringfence import model
from ringfence import settings_messages as between
from ringfence.calls import Ask, Listing, method
from ringfence.messages import timestamp
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1

_SERVICE = (quarantine_v1.DESCRIPTOR, "QuarantineService")

# Changes are not repeated: a second attempt may meet its own effect and be refused for it.
PUT_POOL = method(*_SERVICE, "PutPool")
LIST_POOLS = method(*_SERVICE, "ListPools", repeatable=True)
DELETE_POOL = method(*_SERVICE, "DeletePool")
PUT_POLICY = method(*_SERVICE, "PutPolicy")
LIST_POLICIES = method(*_SERVICE, "ListPolicies", repeatable=True)
DELETE_POLICY = method(*_SERVICE, "DeletePolicy")
PUT_FEED = method(*_SERVICE, "PutFeed")
LIST_FEEDS = method(*_SERVICE, "ListFeeds", repeatable=True)
DELETE_FEED = method(*_SERVICE, "DeleteFeed")
GET_STATUS = method(*_SERVICE, "GetStatus", repeatable=True)
ACCEPT_CLOCK = method(*_SERVICE, "AcceptClock", repeatable=True)  # it says what shall be so


def put_pool(pool: model.Pool, *, validate_only: bool = False) -> Ask[model.Pool]:
    """Creates or replaces a pool whole and returns it with its new revision."""
    request = quarantine_v1.PutPoolRequest(
        pool=between.pool_message(pool), validate_only=validate_only
    )
    return Ask(PUT_POOL, request, between.pool)


def list_pools(*, forecast_days: int = 0) -> Listing[model.PoolStatus]:
    """Gives all pools with their counts, and a forecast of so many days (at most 400)."""
    request = quarantine_v1.ListPoolsRequest(forecast_days=forecast_days)
    return Listing(LIST_POOLS, request, lambda page: [between.pool_status(p) for p in page.pools])


def delete_pool(name: str) -> Ask[None]:
    """Deletes a pool; raises InUse while it has numbers."""
    return Ask(DELETE_POOL, quarantine_v1.DeletePoolRequest(name=name), lambda _: None)


def put_policy(policy: model.Policy, *, validate_only: bool = False) -> Ask[model.Policy]:
    """Creates or replaces a policy whole and returns it with its new revision."""
    request = quarantine_v1.PutPolicyRequest(
        policy=between.policy_message(policy), validate_only=validate_only
    )
    return Ask(PUT_POLICY, request, between.policy)


def list_policies() -> Listing[model.Policy]:
    """Gives all policies."""
    request = quarantine_v1.ListPoliciesRequest()
    return Listing(LIST_POLICIES, request, lambda page: [between.policy(p) for p in page.policies])


def delete_policy(name: str) -> Ask[None]:
    """Deletes a policy; raises InUse while a pool has it."""
    return Ask(DELETE_POLICY, quarantine_v1.DeletePolicyRequest(name=name), lambda _: None)


def put_feed(feed: model.Feed, *, validate_only: bool = False) -> Ask[model.Feed]:
    """Registers or replaces a feed whole and returns it with its new revision."""
    request = quarantine_v1.PutFeedRequest(
        feed=between.feed_message(feed), validate_only=validate_only
    )
    return Ask(PUT_FEED, request, between.feed)


def list_feeds() -> Listing[model.FeedStatus]:
    """Gives all registered feeds with what they have covered."""
    request = quarantine_v1.ListFeedsRequest()
    return Listing(LIST_FEEDS, request, lambda page: [between.feed_status(f) for f in page.feeds])


def list_unregistered_feeds() -> Ask[tuple[str, ...]]:
    """Gives the names that send events without being registered, the newest 16."""
    request = quarantine_v1.ListFeedsRequest(page_size=1)
    return Ask(LIST_FEEDS, request, lambda page: tuple(page.unregistered))


def delete_feed(name: str) -> Ask[None]:
    """Deletes a feed; raises InUse while a pool requires it."""
    return Ask(DELETE_FEED, quarantine_v1.DeleteFeedRequest(name=name), lambda _: None)


def get_status() -> Ask[model.Status]:
    """Says how the installation is doing."""
    return Ask(GET_STATUS, quarantine_v1.GetStatusRequest(), between.status)


def accept_clock(
    wall_clock: model.Moment | None = None, *, note: str = ""
) -> Ask[model.AcceptedClock]:
    """Believes the wall clock of the server's machine, where time is disputed.

    `wall_clock` is what it showed; raises BadField if it shows something else by more than 300 s.
    """
    request = quarantine_v1.AcceptClockRequest(wall_clock=timestamp(wall_clock), note=note)
    return Ask(ACCEPT_CLOCK, request, between.accepted_clock)
