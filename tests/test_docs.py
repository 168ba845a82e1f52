"""The documentation says what the code does: commands, options, settings, columns, tables and paths exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from assets.lake import SCHEMAS
from models.actions import ACTIONS
from models.features import FeatureRecipe
from models.matrix import CODES
from models.policy import decide
from models.reasons import codes
from models.segments import NOT_PROFILED, AtRiskSegment
from models.transactions import ValidationRules, row_rules
from pipelines.cli import app
from pipelines.jobs import jobs
from pipelines.settings import Settings
from pipelines.settings_errors import keys_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [page for page in PAGES if page.name != "settings.md"]
GENERATED = {
    *(".dagster", ".venv", "crm.db", "data_docs", "exports"),
    *("benchmarks.json", "lake", "lake.erased.json", "landing", "mlartifacts", "mlflow.db", "reports"),
}
"""What a run leaves behind: not there in a fresh clone."""
SUFFIXES = (".db", ".json", ".lock", ".md", ".py", ".svg", ".toml", ".yaml")
TYPES = {
    pl.String: "text",
    pl.Date: "date",
    pl.Float64: "number",
    pl.Int16: "whole number",
    pl.Boolean: "true or false",
}

each_page = pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)


def inline(text: str) -> list[str]:
    """What stands between backticks in running text."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands(text: str) -> list[str]:
    """Lines of shell and unit files, and inline code: wherever a command may stand, without comments."""
    blocks = re.findall(r"^```(?:sh|ini|text)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0] for block in blocks for line in block.splitlines()]
    return [*lines, *inline(text)]


def churn_calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every call of `churn`: the command and the options after it."""
    for line in commands(text):
        for call in re.finditer(r"(?:^|[\s/`=])churn ([a-z]+)\b([^|`&>]*)", line):
            yield call[1], re.findall(r"(?<!\S)--[a-z-]+", call[2])


def options() -> dict[str, set[str]]:
    """The commands of the command line, with their options."""
    group = typer.main.get_command(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by the name that they begin with."""
    below = text[text.index(f"{heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", below, flags=re.MULTILINE)
    assert rows is not None
    cells = [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in rows[0].splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in cells}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@each_page
def test_every_command_and_option_exists(page):
    known = options()
    for command, given in churn_calls(page.read_text(encoding="utf-8")):
        assert command in known, f"{page.name} tells of `churn {command}`"
        assert set(given) <= known[command], f"{page.name} tells of `churn {command} {' '.join(given)}`"


@each_page
def test_every_option_that_stands_alone_exists(page):
    known = {option for given in options().values() for option in given}
    alone = [span.split()[0] for span in inline(page.read_text(encoding="utf-8")) if span.startswith("--")]
    assert set(alone) <= known


def test_every_command_is_in_the_readme_and_every_option_somewhere():
    assert {command for command, _ in churn_calls(read("README.md"))} == set(options())
    everything = "\n".join(page.read_text(encoding="utf-8") for page in WRITTEN)
    assert [option for given in options().values() for option in given if option not in everything] == []


@each_page
def test_every_make_target_and_job_exists(page):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), flags=re.MULTILINE))
    names = {job.name for job in jobs({})}
    for line in commands(page.read_text(encoding="utf-8")):
        assert set(re.findall(r"(?:^|\s)make ([a-z]+)", line)) <= targets
        assert set(re.findall(r"--job (\S+)", line)) <= names


KERNELS = "Prescott Haswell Zen SkylakeX"


def test_whoever_has_no_make_types_what_it_runs():
    recipes = re.findall(r"^\t(.+)$", read("Makefile").partition("lock:")[0], flags=re.MULTILINE)
    typed = [
        line.replace("$(CURDIR)", "$PWD").replace("$(KERNELS)", KERNELS).replace("$$", "$")
        for line in recipes
        if not line.startswith("touch")
    ]
    assert typed
    assert [line for line in typed if line not in read("README.md").splitlines()] == []


@each_page
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name} links to {target}"


@each_page
def test_every_path_exists(page):
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} | GENERATED
    for span in inline(page.read_text(encoding="utf-8")):
        if not re.fullmatch(r"[\w.][\w./<>*=-]*", span):
            continue
        first = span.partition("/")[0]
        named = first in folders if "/" in span else span.endswith(SUFFIXES)
        if named and first not in GENERATED:
            assert (ROOT / span).exists() or (page.parent / span).exists(), f"{page.name} tells of {span}"


@each_page
def test_every_setting_exists(page):
    for span in inline(page.read_text(encoding="utf-8")):
        key = span.strip("[]") if re.fullmatch(r"\[[a-z_.]+\]", span) else span
        if variable := re.match(r"CHURN__(\w+)", span):
            key = variable[1].lower().replace("__", ".")
        *parents, last = key.split(".")
        section = parents and parents[0] in keys_of([], Settings)
        if (section or key != span) and re.fullmatch(r"[a-z_.]+", key) and not f".{last}".endswith(SUFFIXES):
            assert last in keys_of(parents, Settings), f"{page.name} tells of the setting {span}"


def test_every_column_of_the_at_risk_table_is_described_with_its_type_in_order():
    described = table(read("docs/table.md"), "## Columns")
    declared = AtRiskSegment.create_empty().schema
    assert list(described) == list(declared)
    assert {name: row[0] for name, row in described.items()} == {
        name: TYPES[type(dtype)] for name, dtype in declared.items()
    }


def test_the_json_schema_of_the_table_is_what_the_command_prints():
    assert read("docs/at_risk_segments.schema.json") == CliRunner().invoke(app, ["schema"]).output


def test_a_column_that_is_never_null_is_said_to_be_so():
    described = table(read("docs/table.md"), "## Columns")
    never = [name for name, row in described.items() if row[-1].rstrip("| ") == "never"]
    assert never == [name for name, column in AtRiskSegment.columns().items() if not column.nullable]


def test_the_catalogue_in_the_method_is_the_one_in_the_code():
    rows = table(read("docs/method.md"), "## Policy")
    assert list(rows) == [action.name for action in ACTIONS]
    for action in ACTIONS:
        _, channel, contact, offer, rate, windfall, suits, capacity, rest = rows[action.name]
        assert (channel, float(contact), float(offer)) == (
            f"`{action.channel}`",
            action.contact_cost,
            action.offer_cost,
        )
        assert rate == f"{action.save_rate:.0%} of {action.save_alpha + action.save_beta:.0f}".replace("%", " %")
        assert windfall == f"{action.windfall:.0%}".replace("%", " %")
        assert tuple(inline(suits)) == action.suits_segments or tuple(inline(suits)) == action.suits_reasons
        assert (capacity, rest.rstrip("| ")) == (f"{action.capacity or 'any'}", f"{action.cooldown_days} days")


def test_every_word_that_a_crm_may_meet_is_described():
    page = read("docs/table.md")
    assert list(table(page, "### Reasons")) == codes()
    assert set(CODES) <= set(inline(page))
    listed = re.search(r"the first that\s+applies of ([\w,\s]+)\.", decide.__doc__ or "")
    assert listed is not None
    assert list(table(page, "### What keeps a row back")) == ["left", NOT_PROFILED, *re.split(r",\s+", listed[1])]


def test_every_table_of_the_lake_and_every_reason_to_reject_a_line_is_described():
    page = read("docs/table.md")
    tables = set(table(page, "## The other tables of the lake"))
    assert tables == {*SCHEMAS, "customer_features", "churn_model"}
    numbers = ("amount", "quantity", "unit_price", "discount")
    rules = row_rules(ValidationRules(), night=ValidationRules().first_plausible_day, mapped=numbers)
    assert {rule.name for rule in rules} <= set(inline(page))


def test_every_family_of_features_is_described():
    told = tuple(table(read("docs/method.md"), "## Features"))
    assert set(FeatureRecipe().families) <= set(FeatureRecipe(families=told).families)


def test_the_files_speak_of_the_project_alone():
    for page in PAGES:
        assert not re.search(r"/(?:work|tmp|home|root)/", page.read_text(encoding="utf-8")), page.name


def test_every_lock_has_hashes_and_no_address_and_those_of_the_extras_hold_the_runtime():
    pins = {lock.name: read(lock.name) for lock in ROOT.glob("requirements*.lock")}
    runtime = set(re.findall(r"^[\w.-]+==[\w.]+", pins["requirements.lock"], flags=re.MULTILINE))
    assert len(runtime) > 100
    for name, text in pins.items():
        entries = re.split(r"\n(?=\S)", text.strip())
        assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == [], name
        assert "://" not in text
        assert name == "requirements-uv.lock" or runtime <= {re.split(r"[ \\]", entry)[0] for entry in entries}, name
