"""Whatever arrives, in whatever order, with nights missed, blocked and run again: every row is accounted for, once."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from tests.shops import SOURCE

START = date(2025, 3, 28)
HEADER = ("customer_id", "timestamp", "transaction_id", "product", "quantity", "amount")
MAX_REJECTED = 0.5
SETTINGS = f"""{SOURCE}product = "product"
[churn]
timezone = "Europe/Berlin"
[validation]
max_rejected_share = 0.5
"""


def moment(days, clock):
    return f"{START + timedelta(days=days)} {clock}"


# Lines are few, so that they meet again: in one basket, in other files, on other nights.
PLAIN = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.builds(moment, st.integers(0, 6), st.sampled_from(["00:00:00", "23:59:59"])),
    st.just("o1"),
    st.sampled_from(["tea", "jam"]),
    st.just("1"),
    st.sampled_from(["2.50", "-2.50"]),
)
ODD = st.tuples(
    st.sampled_from(["ann", ""]),
    st.sampled_from(["", "soon", "1970-01-01 10:00:00", "2019-05-05 10:00:00", moment(1, "12:00:00")]),
    st.sampled_from(["o1", ""]),
    st.just("tea"),
    st.sampled_from(["1", ""]),
    st.sampled_from(["2.50", "free"]),
)
ONCE = st.lists(st.one_of(PLAIN, PLAIN, PLAIN, ODD), max_size=5).map(tuple)
LINES = ONCE | ONCE.map(lambda lines: lines + lines[:2])
HISTORY = (("eve", moment(-1, "08:00:00"), "o0", "tea", "1", "2.50"),)
FILES = st.sampled_from(["0.csv", "a.csv", "b.csv"])
STEPS = st.one_of(
    st.tuples(st.just("deliver"), FILES, LINES),
    st.tuples(st.just("extend"), FILES, LINES),
    st.tuples(st.just("copy"), FILES, FILES),
    *[st.tuples(st.just("run"), st.sampled_from([1, 1, 2, 3]), st.none())] * 2,
    st.tuples(st.just("again"), st.integers(0, 9), st.none()),
)
SCHEDULES = st.lists(STEPS, min_size=4, max_size=10)

TEA = ("ann", moment(1, "00:00:00"), "o1", "tea", "1", "2.50")
NAMELESS = ("", *TEA[1:])
BLOCKED_THEN_OUTWEIGHED = [
    ("deliver", "a.csv", (NAMELESS,) * 3),
    ("run", 1, None),
    ("deliver", "b.csv", (TEA,) * 4),
    ("run", 2, None),
    ("again", 0, None),
]
REPEATED_THEN_EXTENDED = [
    ("deliver", "a.csv", (TEA, TEA, NAMELESS, ("bob", *TEA[1:]), ("bob", moment(3, "00:00:00"), *TEA[2:]))),
    ("run", 1, None),
    ("copy", "a.csv", "b.csv"),
    ("extend", "b.csv", (TEA, NAMELESS)),
    ("run", 1, None),
    ("again", 0, None),
]


def day_of(line):
    """The local day of a line, None where it has no time."""
    return date.fromisoformat(line[1][:10]) if line[1][:1].isdigit() else None


def reasons_of(line):
    """Why a line is kept out, in words."""
    missing = {"customer_id_missing": not line[0], "timestamp_missing": day_of(line) is None}
    wrong = {"amount_missing": line[5] == "free", "day_implausible": day_of(line) == date(1970, 1, 1)}
    return tuple(reason for reason, applies in (missing | wrong).items() if applies)


@dataclass
class Night:
    """What a night must hold."""

    delivered: int
    valid: Counter[tuple[str, ...]]
    quarantined: Counter[tuple[str, ...]]

    @property
    def known(self):
        return self.delivered - self.valid.total() - self.quarantined.total()


@dataclass
class Naive:
    """What a lake must hold, kept in dictionaries."""

    files: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    read: dict[tuple[tuple[str, ...], ...], date] = field(default_factory=dict)
    nights: dict[date, Night] = field(default_factory=dict)

    def due(self, night):
        """For each file the lines that are due on a night and were not before."""
        for lines in self.files.values():
            last = self.read.get(lines)
            days = {line: day_of(line) for line in lines}
            yield Counter(
                line
                for line in lines
                if (days[line] is None and last is None)
                or (days[line] is not None and (last or date.min) < days[line] <= night)
            )

    def expect(self, night):
        """What a night would hold if it ran now: of each line as many as its fullest file has more than the lake."""
        due = list(self.due(night))
        stored: Counter[tuple[str, ...]] = Counter()
        for each in self.nights.values():
            stored += each.valid + each.quarantined
        fullest = Counter({line: max(count[line] for count in due) for count in due for line in count})
        new = fullest - stored
        bad = Counter({line: count for line, count in new.items() if reasons_of(line)})
        return Night(sum(count.total() for count in due), new - bad, bad)

    def is_blocked(self, night):
        """Whether the gate stops it: too many bad lines, or none that is recent, tonight or ever."""
        tonight = [line for count in self.due(night) for line in count.elements()]
        rejected = sum(bool(reasons_of(line)) for line in tonight)
        days = [day_of(line) for line in tonight]
        days += [day_of(line) for each in self.nights.values() for line in each.valid]
        fresh = any(day is not None and day >= night - timedelta(days=31) for day in days)
        return rejected > MAX_REJECTED * len(tonight) or not fresh

    def take(self, night, expected):
        self.nights[night] = expected
        self.read |= dict.fromkeys(self.files.values(), night)


def write(folder, name, lines):
    with (folder / "landing" / name).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *lines])


def number(text):
    return float(text) if text not in {"", "free"} else None


def as_stored(line):
    """A line as the lake has it."""
    known = [line[0] or None, day_of(line), line[2] or None, line[3], number(line[4]), number(line[5])]
    return (*known, line[1][11:] if day_of(line) else None, line[1] if line[1] == "soon" else None)


def stored(table):
    """Lines of the lake, as :func:`as_stored` has them, with their reasons where they have any."""
    clock = pl.col("timestamp").dt.convert_time_zone("Europe/Berlin").dt.strftime("%H:%M:%S")
    said = pl.col("unreadable").str.json_path_match("$.timestamp")
    known = ["customer_id", "day", "transaction_id", "product", "quantity", "amount"]
    return [
        (*line, tuple(reasons or ()))
        for *line, reasons in table.select(
            *known, clock, said, "reasons" if "reasons" in table.columns else pl.lit(None)
        ).rows()
    ]


def check_night(shop, night, expected):
    ledger = shop.table("ledger", night).row(0, named=True)
    assert ledger == {
        "night": night,
        "delivered": expected.delivered,
        "valid": expected.valid.total(),
        "quarantined": expected.quarantined.total(),
        "known": expected.known,
    }
    for table, lines in (("transactions", expected.valid), ("quarantine", expected.quarantined)):
        wanted = Counter((*as_stored(line), reasons_of(line)) for line in lines.elements())
        assert Counter(stored(shop.table(table, night))) == wanted
    assert shop.table("raw_transactions", night).height == expected.delivered
    assert shop.table("deliveries", night)["due"].sum() == expected.delivered


def check_totals(shop, nights):
    """Sums per customer and day, over all nights, are those of the lines one by one."""
    wanted: dict[tuple[str, date], tuple[float, ...]] = {}
    for line in (line for night in nights for line in night.valid.elements()):
        customer, day, _, _, quantity, amount, *_ = as_stored(line)
        bought = amount > 0
        figures = (bought, bought * (quantity or 0), bought * amount, (not bought) * -amount, not bought)
        before = wanted.get((customer, day), (0,) * 5)
        wanted[customer, day] = tuple(map(sum, zip(before, figures, strict=True)))
    sums = ("lines", "quantity", "spend", "refunds", "returns")
    days = shop.table("customer_days").group_by("customer_id", "day").agg(pl.col(sums).sum())
    scaled = days.with_columns(pl.col("quantity", "spend", "refunds") / 10_000)
    assert {(row[0], row[1]): row[2:] for row in scaled.rows()} == wanted


def follow(shop, steps):
    """Take the steps with the pipeline and with the naive model, and compare the two after each night."""
    naive, last = Naive({"0.csv": HISTORY}), START
    write(shop.folder, "0.csv", HISTORY)
    for what, first, second in [*steps, ("run", 1, None)]:
        note(f"{what} {first} {second}")
        if what in {"deliver", "extend", "copy"}:
            name, lines = (second, naive.files.get(first, ())) if what == "copy" else (first, second)
            naive.files[name] = (naive.files.get(name, ()) if what == "extend" else ()) + lines
            write(shop.folder, name, naive.files[name])
            continue
        older = shop.digests()
        if what == "again" and naive.nights:
            night = sorted(naive.nights)[first % len(naive.nights)]
            assert shop.run(night, "ungated").success
            assert shop.digests() == older
            continue
        night = last + timedelta(days=first if what == "run" else 1)
        expected, blocked = naive.expect(night), naive.is_blocked(night)
        result = shop.run(night, "ingestion" if blocked else "ungated")
        assert result.success is not blocked
        if blocked:
            assert not (shop.folder / "lake" / "transactions" / f"night={night}").exists()
            continue
        last = night
        naive.take(night, expected)
        check_night(shop, night, expected)
        check_totals(shop, naive.nights.values())
        now = shop.digests()
        assert {name: now[name] for name in older if f"night={night}" not in name} == {
            name: digest for name, digest in older.items() if f"night={night}" not in name
        }


@settings(
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=SCHEDULES)
@example(steps=BLOCKED_THEN_OUTWEIGHED)
@example(steps=REPEATED_THEN_EXTENDED)
def test_every_schedule_of_deliveries_and_nights_ends_with_every_row_accounted_for_once(
    tmp_path_factory, ingestion, steps
):
    follow(ingestion(tmp_path_factory.mktemp("schedule") / "shop", SETTINGS), steps)


def test_nights_that_cannot_hold_tonights_lines_are_not_opened(tmp_path, ingestion):
    shop = ingestion(tmp_path / "shop", SETTINGS)
    line = ("ann", moment(0, "12:00:00"), "o1", "tea", "1", "2.50")
    nights = [START + timedelta(days=day) for day in range(5)]
    for day, night in enumerate(nights):
        tonight = [(name, moment(day, "12:00:00"), *line[2:]) for name in ("ann", "")]
        write(shop.folder, f"{night}.csv", tonight)
        if day == 4:
            for table in ("transactions", "quarantine"):
                (shop.folder / "lake" / table / f"night={nights[0]}" / "data.parquet").write_bytes(b"not to be read")
            write(shop.folder, "overlap.csv", [(*tonight[0][:1], moment(day - 2, "12:00:00"), *line[2:]), *tonight])
        assert shop.run(night, "ungated").success
    assert shop.table("ledger", nights[4])["known"].item() == 3


def test_a_night_that_stopped_half_way_is_run_again_before_any_other(tmp_path, ingestion):
    """Its rows were taken in and would come no more, and no sum of customer and day would ever hold them."""
    shop = ingestion(tmp_path / "shop", SETTINGS)
    write(shop.folder, "a.csv", [TEA, *HISTORY])
    night = START + timedelta(days=1)
    assert shop.run(night, "half").success
    stopped = shop.run(night + timedelta(days=1), "ungated")
    assert not stopped.success
    assert f"Run it again first: `churn run --night {night}" in str(stopped.all_events)
    for each in (night, night + timedelta(days=1)):
        assert shop.run(each, "ungated").success
    assert shop.table("customer_days")["lines"].sum() == 2


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25)])
def test_a_night_of_23_or_25_hours_loses_nothing(tmp_path, ingestion, day, hours):
    """Every quarter of an hour something is bought, by the clock on the wall: the same rows as on any other day."""
    shop = ingestion(tmp_path / "shop", SETTINGS)
    clocks = [f"{hour:02}:{minute:02}:00" for hour in range(24) for minute in (0, 15, 30, 45)]
    if hours == 25:
        clocks += [clock for clock in clocks if clock.startswith("02:")]
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    write(
        shop.folder,
        "0.csv",
        [
            ("ann", f"{each} {clock}", f"o{place}", "tea", "1", "1")
            for each in days
            for place, clock in enumerate(clocks)
        ],
    )
    # The same moments with their offsets, from the first to the last of the local day.
    first = datetime.combine(day, time(), ZoneInfo("Europe/Berlin")).astimezone(UTC)
    zoned = [(first + timedelta(minutes=15 * n)).isoformat() for n in range(hours * 4)]
    write(shop.folder, "1.csv", [("bob", each, f"o{place}", "tea", "1", "1") for place, each in enumerate(zoned)])
    for night in days:
        assert shop.run(night, "ungated").success
        ledger = shop.table("ledger", night).row(0, named=True)
        assert (ledger["valid"], ledger["known"]) == (len(clocks) + (night == day) * hours * 4, 0)
        assert shop.table("transactions", night)["day"].unique().to_list() == [night]
    sums = shop.table("customer_days").group_by("customer_id", "day").agg(pl.col("lines").sum())
    assert dict(sums.filter(day=day).select("customer_id", "lines").rows()) == {"ann": len(clocks), "bob": hours * 4}
