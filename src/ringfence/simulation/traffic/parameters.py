"""The parameters of the workload, with units, and where each default comes from.

Sources, by the names used below:

- NCSU: "Who's Calling?", USENIX Security 2020; 66,606 lines, 11 months, 1.48 million calls.
- Phoneypot: NDSS 2015; 39,696 numbers, 7 weeks, 1.3 million calls from 250,000 sources.
- Princeton: Lee and Narayanan 2021, recycled numbers; a honeypot of 200 of them. That 19 of these
  got something in one week has not been checked against the paper.
- AAISP: four million unassigned British numbers announced in 2013, hundreds of calls.
- Nomorobo: 290,000 numbers not active for nearly a decade and still called by collectors.
- Regulation F: 12 CFR 1006.14, calls of debt collectors in the United States.
- Jiang: calls of 100,000 users; the gaps of most are Weibull.
- complaints: hours and days of unwanted calls in complaints to the FCC 2023 and to blocking lists.

"derived" is arithmetic on such figures; "assumed" has no source: vary it before trusting a result.
What the workload gives of the figures above is printed by benchmarks/calibration.py.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Climate:
    """How much background there is."""

    name: str
    calls_per_number_day: float
    fresh_share: float  # of calls: from campaigns with another caller for every call


CLIMATES = {
    climate.name: climate
    for climate in (
        # AAISP saw next to nothing; 0.02 is the upper end of what is assumed from it.
        Climate("quiet", 0.02, 0.8),
        # NCSU: one call a line in 8.42 days; campaigns hardly reuse a caller, 0.8 assumed.
        Climate("ncsu", 0.12, 0.8),
        # Phoneypot: 32.7 calls a number in 49 days. 5.2 calls a source and 13 calls a campaign
        # leave one call in eight to fresh callers (derived).
        Climate("phoneypot", 0.67, 0.125),
    )
}


@dataclass(frozen=True)
class Departures:
    """Whose numbers come into quarantine, when, and what still looks for them."""

    entry_days: float = 180.0  # evenly over so long, from the start; half a year of churn, assumed
    never_assigned_share: float = 0.10  # control numbers, background only; assumed
    non_payment_share: float = 0.08  # of numbers that had a subscriber; assumed
    inactivity_share: float = 0.30  # of the same; assumed; the rest left by themselves
    # The next four are of numbers that had a subscriber, drawn apart from one another, so that
    # about half of them are silent: between the quarter of new lines that nobody called in 11
    # months (NCSU) and 60 %.
    personal_share: float = 0.40  # assumed
    # assumed, after Princeton's unchecked 10 % in one week: here applications write to 7.5 % in the
    # first week of quarantine and to 6.8 % in the week from day 60.
    applications_share: float = 0.12
    institutions_share: float = 0.03  # assumed
    debts_share: float = 0.012  # left otherwise; with the next 3.5 % over all, assumed
    debts_non_payment_share: float = 0.30  # left without paying; assumed
    personal_callers_median: float = 3.0  # a number, lognormal; assumed
    personal_callers_p95: float = 20.0  # assumed
    further_applications: float = 1.0  # mean of a Poisson number beside the first; assumed
    debts_weights: tuple[float, ...] = (0.6, 0.3, 0.1)  # of 1, 2, 3 debts; assumed


@dataclass(frozen=True)
class Campaigns:
    """Background spray: robots that dial whatever number exists."""

    calls_mean: float = 13.0  # calls of a campaign into the pool, lognormal; NCSU
    calls_p95: float = 27.0  # NCSU
    days_max: float = 7.0  # of a campaign, evenly from 0; assumed
    # gamma over numbers; assumed. A quarter of NCSU's lines had no call in 11 months; with 0.5 it
    # is 6 % of the numbers, 11 % without sweeps; a quarter with 0.12, or with 0.28 without sweeps.
    exposure_shape: float = 0.5
    neighbour_area_share: float = 0.06  # of fresh callers: same all but 7 last digits; NCSU
    neighbour_block_share: float = 0.03  # of fresh callers, in those: all but 4; NCSU
    sweep_share: float = 0.02  # of campaigns: number after number; assumed
    sweep_gap_s: float = 30.0  # between its calls; assumed
    withheld_share: float = 0.07  # of campaigns; assumed


@dataclass(frozen=True)
class Personal:
    """People who look for the previous subscriber; each calls one number only."""

    bursts_per_day: float = 1 / 30  # of a caller at first, median, lognormal; assumed
    bursts_sigma: float = 1.0  # of its logarithm; assumed
    half_life_days: float = 25.0  # in which most callers' rate halves; assumed
    slow_half_life_days: float = 320.0  # of the slow ones; assumed; no source measured the decay
    slow_share: float = 0.15  # of callers; assumed
    gap_shape: float = 0.7  # of Weibull gaps; their form from Jiang, below 1 assumed
    redial_share: float = 0.40  # of attempts are followed by another; assumed
    redial_within_s: tuple[float, ...] = (600.0, 10_800.0)  # the second and third; assumed
    withheld_share: float = 0.07  # of callers; assumed
    sms_share: float = 0.15  # of attempts; assumed
    mms_share: float = 0.03  # assumed
    video_share: float = 0.02  # assumed; the rest are calls


@dataclass(frozen=True)
class Schedules:
    """Applications and institutions that do not know that their customer has left."""

    senders: int = 400  # applications' sender texts, the n-th chosen as 1/n; assumed
    institutions: int = 2_000  # that call; assumed
    code_share: float = 0.40  # of applications: one-time codes at random; assumed
    weekly_share: float = 0.20  # of applications; assumed; the rest send every four weeks
    code_gap_days: float = 21.0  # mean; assumed
    codes_min: int = 2  # messages of a burst of codes; assumed
    codes_max: int = 4  # assumed
    codes_within_s: float = 300.0  # assumed
    jitter: float = 0.05  # of a period, to either side; assumed
    pruned_median_days: float = 182.0  # until the sender gives up, lognormal; assumed
    pruned_sigma: float = 1.0  # of its logarithm: one in twenty after 2.6 years; assumed


@dataclass(frozen=True)
class Debts:
    """Debt collectors: full rate until the debt is given up or sold to another agency."""

    agencies: int = 300  # assumed
    callers_min: int = 2  # of an agency; assumed
    callers_max: int = 10  # assumed
    calls_per_week_max: float = 7.0  # a debt in 7 days, evenly from 1; Regulation F
    worked_median_days: float = 60.0  # by one agency, lognormal; assumed
    worked_sigma: float = 0.7  # of its logarithm; assumed
    resold_share: float = 0.5  # of debts given up; assumed: tails of years, as Nomorobo saw
    dormant_days: float = 90.0  # mean, before the next agency begins; assumed


@dataclass(frozen=True)
class Storms:
    """People who call back a number that a robot has shown as its own."""

    # NCSU: 650 storms on 66,606 lines in 335 days (derived: 0.01 a line), at 0.8 x 0.12 spoofed
    # calls a line and day. That storms follow the spoofed calls into other climates is assumed.
    per_spoofed_call: float = 0.01 / 335 / (0.8 * 0.12)
    calls_min: float = 200.0  # hundreds to one number, by NCSU; evenly by logarithm, assumed
    calls_max: float = 2_000.0  # assumed
    hours_min: float = 1.0  # assumed
    hours_max: float = 8.0  # assumed
    withheld_share: float = 0.07  # of calls; assumed


@dataclass(frozen=True)
class Stuck:
    """Machines that dial one number: a fax, an alarm panel, a dialler that does not stop."""

    share: float = 1e-5  # of numbers; assumed
    within_days: float = 90.0  # of quarantine it begins; assumed
    gap_min_s: float = 30.0  # assumed
    gap_max_s: float = 300.0  # assumed
    days_min: float = 1.0  # assumed
    days_max: float = 5.0  # assumed


@dataclass(frozen=True)
class Delivery:
    """How events come from the switches."""

    copies_share: float = 0.01  # of events are sent twice; assumed, 0.1 % to 2 %
    copies_within_s: float = 60.0  # assumed
    delay_s: float = 3.0  # mean of an exponential; assumed
    shuffled_share: float = 0.01  # of events come out of order by minutes; assumed
    shuffled_within_s: float = 300.0  # assumed
    switches: int = 4  # a number's events come through one of them; assumed
    late_share: float = 0.003  # of a switch's time: it keeps everything and sends it then; assumed
    late_hours_min: float = 1.0  # of such an interval; assumed
    late_hours_max: float = 6.0  # assumed


@dataclass(frozen=True)
class Traffic:
    """Everything that a workload is drawn from."""

    climate: Climate
    departures: Departures = field(default_factory=Departures)
    campaigns: Campaigns = field(default_factory=Campaigns)
    personal: Personal = field(default_factory=Personal)
    schedules: Schedules = field(default_factory=Schedules)
    debts: Debts = field(default_factory=Debts)
    storms: Storms = field(default_factory=Storms)
    stuck: Stuck = field(default_factory=Stuck)
    delivery: Delivery = field(default_factory=Delivery)
