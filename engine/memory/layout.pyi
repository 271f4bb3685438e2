"""The numbers of `record.h` for Python."""

# Of a key: number below, pool above.
NUMBER_BITS: int
NUMBER_MASK: int

# Of a control word: state, generation, and since when.
STATE_MASK: int
GENERATION_MASK: int
SINCE_SHIFT: int

# Of an origin: reason below, hours from quarantined_at to observed_since above.
REASON_MASK: int
OBSERVED_HOURS_SHIFT: int

# Of an entry: time, caller mark, kind.
TIME_SHIFT: int
MARK_SHIFT: int
MARK_MASK: int
KIND_MASK: int

# How many there may be of each.
POLICIES_MAX: int
POOLS_MAX: int
FEEDS_MAX: int
RULES_MAX: int
POOL_FEEDS_MAX: int
FEED_INTERVALS_MAX: int
WORKERS_MAX: int
DESCRIPTION_BYTES_MAX: int
