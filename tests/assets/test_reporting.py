"""What a retention manager reads in the morning."""

import re
from dataclasses import replace
from datetime import date, timedelta
from functools import reduce
from math import inf
from operator import or_

import dataframely as dy
import polars as pl
import pytest

from assets.night_report import NightReport
from assets.reporting import as_html, as_text
from assets.retention_report import warnings_of
from assets.settled_night import SettledNight
from models.definition import ChurnDefinition
from models.delivery_notes import SKIPPED, UNUSED, DeliveryNote
from models.drift import Drift
from models.mapping import ColumnMapping
from models.matrix import Segments
from models.power import Power
from models.segments import AtRiskSegment
from models.uplift import RetentionUplift
from tests.at_risk import SCHEMA, at_risk

NIGHT = date(1998, 6, 30)

FIGURES = {"auroc": 0.75, "log_loss": 0.51, "ece": 0.02}
METRICS = {
    "champion": FIGURES,
    "recency": {"auroc": 0.70, "log_loss": 0.58, "ece": 0.05},
    "mbg_nbd": {"auroc": 0.741, "log_loss": 0.542, "ece": 0.03},
}
METRICS = {
    name: each
    | {f"{key}_low": value - 0.01 for key, value in each.items()}
    | {f"{key}_high": value + 0.01 for key, value in each.items()}
    for name, each in METRICS.items()
}
SETTLED = SettledNight(
    night=date(1998, 3, 31),
    until=date(1998, 6, 29),
    tiers=pl.DataFrame(
        {
            "risk_tier": ["none", "low", "medium", "high"],
            "customers": [700, 100, 100, 100],
            "churn_probability": [0.6, 0.8, 0.85, 0.9],
            "churn_rate": [0.6, 0.8, 0.9, 0.95],
        }
    ),
    metrics=METRICS,
)


CALLED = {"churn_probability": 0.91, "value_at_risk": 200.0, "expected_profit": 32.0, "status": "entered"}


def row(customer: str, **changes: object) -> dict[str, dict[str, object]]:
    """A row of the table: somebody at high risk who is to be called from tomorrow on."""
    return {customer: {**CALLED, **changes}}


def table(*rows: dict[str, dict[str, object]]) -> dy.DataFrame[AtRiskSegment]:
    days = {"night": NIGHT, "contact_from": NIGHT + timedelta(days=1), "contact_until": NIGHT + timedelta(days=7)}
    return AtRiskSegment.validate(at_risk(reduce(or_, rows), **days))


NOTHING = {"risk_tier": "none", "segment": "none", "action": "none", "channel": "none", "deliver": False}
CONTROL = {"is_control": True, "deliver": False, "suppressed_reason": "control"}
AT_RISK = table(
    row("anna", expected_profit=12.0),
    row("bert", expected_profit=45.5, value_at_risk=1234.0),
    row("cleo", risk_tier="low", segment="nurture", status="stayed", churn_probability=0.72),
    row("dora", **CONTROL),
    row("emil", **NOTHING, suppressed_reason="left", status="left"),
)


@pytest.fixture
def report() -> NightReport:
    return NightReport(
        night=NIGHT,
        churn=ChurnDefinition(horizon_days=90),
        active_customers=1000,
        at_risk=AT_RISK,
        model="Version 2, trained as of 30 June 1998, scored.",
        gate="The challenger beat every rule.",
        settled=SETTLED,
        places={"At-risk table": "crm.db", "Experiments": "http://127.0.0.1:5000"},
    )


def test_the_first_sentence_says_how_many_may_leave_and_what_that_costs(report):
    assert (
        "4 of 1,000 active customers are at risk of making no purchase in the next 90 days. "
        "EUR 1,834 of expected margin is at stake." in as_text(report)
    )


def test_the_best_paying_contact_comes_first_and_whoever_is_in_control_is_not_called(report):
    calls = re.findall(r"^\d\. \*\*(\w+)\*\*", as_text(report), re.MULTILINE)
    assert calls == ["bert", "cleo", "anna"]


def test_a_call_says_why_whom_and_until_when(report):
    text = as_text(report)
    assert "91% likely to leave, EUR 1,234 at risk, a contact is expected to earn EUR 45.50." in text
    assert "Service call by phone until 7 July 1998" in text
    assert "   - 34 days since the last order; usually every 12 days" in text


def test_somebody_who_may_not_be_contacted_is_shown_with_the_reason(report):
    lonely = table(row("nora", deliver=False, action="none", channel="none", suppressed_reason="no_consent"))
    assert "No contact tonight: no consent" in as_text(replace(report, at_risk=lonely))


@pytest.mark.parametrize(
    ("line"),
    [
        ["high", "3", "91%", "EUR 1,634", "2", "1", "EUR 57.50"],
        ["low", "1", "72%", "EUR 200", "1", "0", "EUR 32.00"],
        ["save now", "3", "91%", "EUR 1,634", "2", "1", "EUR 57.50"],
        ["not at risk", "700", "60.0%", "60.0%"],
        ["MBG/NBD", "0.741", "0.542", "0.030"],
    ],
)
def test_tables_say_the_same_in_text_and_page(report, line):
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in as_text(report).splitlines()]
    assert line in cells
    assert f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" in as_html(report)


def test_what_the_actions_should_earn_stands_beside_what_any_choice_could(report):
    earned = report.totals["expected_profit"]
    text = as_text(replace(report, potential=earned * 1.25))
    assert "what is missing to it is at most 20.0%" in text
    assert "Not contacted: control 1" in text
    assert "could be expected to earn more" not in as_text(report)


def test_segments_are_called_and_explained_as_the_shop_does(report):
    named = Segments(names={"save_now": "Anrufen"}, purposes={"nurture": "nur melden"})
    text = as_text(replace(report, segments=named, language="de"))
    assert "Anrufen: wird wohl abwandern und ist jetzt persönlichen Einsatz wert." in text
    assert "Pflegen: nur melden." in text


def test_a_settled_night_is_told_in_words(report):
    text = as_text(report)
    assert "Of 1,000 customers active on 31 March 1998, 68.5% made no purchase until 29 June 1998; 67.5% were" in text
    assert "Of the 100 whom we warned of most urgently, 95.0% left." in text
    assert "75.0% of all pairs; the best rule (MBG/NBD) in 74.1%" in text
    assert "closer to what happened: log loss 0.510 against 0.542." in text


def test_a_rule_that_was_closer_is_admitted(report):
    worse = METRICS | {"champion": METRICS["champion"] | {"log_loss": 0.55}}
    text = as_text(replace(report, settled=replace(SETTLED, metrics=worse)))
    assert "Its probabilities were no closer to what happened: log loss 0.550 against 0.542." in text


def test_without_a_settled_night_nothing_is_said_of_one(report):
    assert "How right we were" not in as_text(replace(report, settled=None))


UPLIFT = {
    "night": NIGHT,
    "experiment_id": "e",
    "action": "all",
    "segment": "all",
    "treated": 900,
    "control": 100,
    "retained_treated": 0.4,
    "retained_control": 0.3,
    "uplift": 0.1,
    "uplift_low": 0.002,
    "uplift_high": 0.19,
}
POWER = Power(treated=1900, control=210, detectable=0.09, tonight=0.13, assumed=0.06, weeks=22.4)


def uplifts(**changes):
    return pl.DataFrame([UPLIFT | changes], schema=RetentionUplift.create_empty().schema)


def test_what_the_actions_did_is_told_in_words_with_what_chance_allows(report):
    text = as_text(replace(report, power=POWER, uplift=uplifts()))
    assert (
        "Of 900 customers whom we set out to contact 40.0% stayed, of 100 just like them whom we left alone 30.0%: "
        "+10.0 points, and with 95% confidence +0.2 to +19.0.\n" in text
    )
    doubtful = uplifts(uplift_low=-0.01, money_kept=900.0, money_kept_low=-100.0, money_kept_high=1900.0)
    text = as_text(replace(report, power=POWER, uplift=doubtful))
    assert "Chance alone could explain it." in text
    assert "that brought in EUR 900 of margin beyond the costs of the actions (EUR -100 to EUR 1,900)." in text
    reached = {"contacted_treated": 0.5, "on_contacted": 0.2, "on_contacted_low": 0.01, "on_contacted_high": 0.39}
    text = as_text(replace(report, power=POWER, uplift=uplifts(**reached)))
    assert "50% were really contacted; on them the effect is +20.0 points (+1.0 to +39.0)." in text


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (POWER, "at the pace so far that shows in about 22 weeks."),
        (replace(POWER, weeks=None), "how long that takes to show is known after a second night."),
        (replace(POWER, weeks=0.0), "enough customers are settled to show that."),
        (replace(POWER, detectable=inf), "There is no control, so that no effect can be told from chance"),
    ],
)
def test_the_report_says_what_the_control_can_tell_and_when(report, power, said):
    text = as_text(replace(report, power=power))
    assert said in text
    shown = "Tonight's control alone can show an effect of 13.0 points or more; all 210 of control beside 1,900 treated"
    assert (shown in text) == (power.detectable < inf)
    assert said in as_html(replace(report, power=power, uplift=uplifts())).replace("&#39;", "'")


def test_without_amounts_no_money_is_invented(report):
    poor = AT_RISK.with_columns(
        pl.lit(None).alias(name) for name in ("value", "value_at_risk", "expected_profit", "currency")
    )
    poor = poor.cast(pl.Schema(SCHEMA))
    for page in (as_text, as_html):
        shown = page(replace(report, at_risk=poor))
        assert "EUR" not in shown
        assert "at stake" not in shown
        assert "None" not in shown


def test_a_night_without_anybody_at_risk_is_a_report_too(report):
    quiet = replace(report, at_risk=AT_RISK.clear(), settled=None)
    assert "0 of 1,000 active customers are at risk" in as_text(quiet)
    assert "0 of 1,000 active customers are at risk" in as_html(quiet)


HOSTILE = '<script>alert("1")</script>|\x1b[2J'


@pytest.fixture
def hostile(report: NightReport) -> NightReport:
    rows = table(row(HOSTILE, reason_1=HOSTILE))
    return replace(report, at_risk=rows, warnings=[HOSTILE], places={HOSTILE: HOSTILE}, model=HOSTILE, gate=HOSTILE)


def test_nothing_of_the_source_becomes_part_of_the_page(hostile):
    page = as_html(hostile)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#34;1&#34;)") >= 6


def test_nothing_of_the_source_steers_a_terminal(hostile):
    assert not any(letter < " " for letter in as_text(hostile).replace("\n", ""))


def test_the_page_needs_nothing_but_itself(report):
    page = as_html(report)
    assert not re.search(r"<(script|link|iframe|img|object)\b|@import|url\((?!#)", page)
    linked = set(re.findall(r'(?:href|src)="([^#"][^"]*)"', page))
    assert not linked


def test_the_page_follows_the_reader_into_the_dark(report):
    page = as_html(report)
    assert "prefers-color-scheme: dark" in page
    drawn = page[page.index("<svg") : page.rindex("</svg>")]
    assert "var(--ink)" in drawn
    assert not re.search("#22262d|#000000|#ffffff", drawn)


def test_the_same_night_gives_the_same_page(report):
    assert as_html(report) == as_html(replace(report))
    assert as_text(report) == as_text(replace(report, at_risk=AT_RISK.reverse()))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (ColumnMapping(("who",), ("when",)), ["a.csv: the file is empty. It was skipped", "carry no amounts"]),
        (ColumnMapping(("who",), ("when",), quantity=("n",), unit_price=("p",)), ["a.csv: the file is empty."]),
    ],
)
def test_a_report_tells_of_files_that_were_skipped_and_of_amounts_that_are_not_there(report, columns, said):
    notes = pl.DataFrame(
        [(NIGHT, "a.csv", SKIPPED, "a.csv: the file is empty."), (NIGHT, "b.csv", UNUSED, "'colour'")],
        schema=DeliveryNote.create_empty().schema,
        orient="row",
    )
    warnings = warnings_of(notes, columns, Drift.create_empty())
    text = as_text(replace(report, warnings=warnings))
    assert len(warnings) == len(said)
    assert all(f"**Attention:** {warning}" in text for warning in warnings)
    assert all(words in warning for words, warning in zip(said, warnings, strict=True))
