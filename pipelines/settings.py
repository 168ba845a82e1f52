"""`churn.toml`, read and checked before anything runs."""

import json
import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentSettingsError

from assets.addresses import shown, sqlite_address
from assets.commands import CONFIG_VARIABLE, DEFAULT_CONFIG
from assets.consent_source import ConsentSource
from assets.database import DatabaseSource
from assets.dialects import Dialect
from assets.engine import Engine
from assets.erased import Erasures
from assets.files import FileSource
from assets.input_source import SOURCE_URL, InputSource, InputTable
from assets.network import Network
from assets.push import Push
from assets.turn import Turn
from models.actions import Policy
from models.consent import MARKETING, PROFILING
from models.definition import ChurnDefinition
from models.drift import DriftLimits
from models.experiment import Experiment
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.mapping import ColumnMapping, Reading
from models.matrix import Segments
from models.ranking import EvaluationRecipe
from models.tiers import Tiers
from models.transactions import ValidationRules
from models.value import ValueRule
from pipelines.console import Log
from pipelines.operation import Alerts, Schedule
from pipelines.sections import ConsentSettings, CrmSettings, Input, LakeSettings, MlflowSettings, Source
from pipelines.settings_errors import SettingsError, not_toml, sentence, unmeant

UMASK = 0o027
"""Files that a run writes are read by its user and group alone."""
SECRETS = (
    *(("source", "url"), ("crm", "database"), ("mlflow", "tracking_uri"), ("engine", "master")),
    *(("alerts", "webhook"), ("alerts", "smtp_password"), ("push", "url"), ("push", "token")),
)
"""Settings that may hold a password or a token."""
_MAY_BE_PLAIN = (("crm", "database"), ("mlflow", "tracking_uri"), ("engine", "master"))
"""Those that may stand in the file as long as they hold neither user nor query."""


class _Environment(EnvSettingsSource):
    """Variables of the environment, without the line end that files of secrets bring with them."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        stripped = ((name, (value or "").strip()) for name, value in super()._load_env_vars().items())
        return {name: value for name, value in stripped if value}


class Settings(BaseSettings):
    """Everything a user can set.

    Attributes:
        shop: Name of the shop in Dagster's pages and on its runs; by default that of the settings' folder, or of the
            file if it is not called ``churn.toml``.
        log: What commands that run something write: ``auto``, a picture of the progress for a person at a terminal,
            and otherwise a log, lines with time and level; ``text``, that log always; ``json``, an object a line.
        language: Language of the reasons, and of names and purposes of segments in reports: ``en`` or ``de``.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="CHURN__", env_nested_delimiter="__", env_ignore_empty=True
    )

    shop: str | None = Field(default=None, pattern=r"^\S(.{0,58}\S)?$")
    source: Source
    inputs: tuple[Input, ...] = ()
    consent: ConsentSettings = ConsentSettings()
    churn: ChurnDefinition = ChurnDefinition()
    validation: ValidationRules = ValidationRules()
    features: FeatureRecipe = FeatureRecipe()
    training: TrainingRecipe = TrainingRecipe()
    evaluation: EvaluationRecipe = EvaluationRecipe()
    gate: GateRecipe = GateRecipe()
    drift: DriftLimits = DriftLimits()
    value: ValueRule = ValueRule()
    tiers: Tiers = Tiers()
    segments: Segments = Segments()
    retention: Policy = Policy()
    experiment: Experiment = Experiment()
    language: Literal["en", "de"] = "en"
    log: Log = "auto"
    crm: CrmSettings = CrmSettings()
    mlflow: MlflowSettings = MlflowSettings()
    lake: LakeSettings = LakeSettings()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    network: Network = Network()
    push: Push = Push()
    engine: Engine = Engine()
    file: Path = Field(default=DEFAULT_CONFIG, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, so that one key can be tried without an edit."""
        return _Environment(settings_cls), init_settings

    @property
    def shop_name(self) -> str:
        """What the shop is called."""
        own = self.file.parent.name if self.file.name == DEFAULT_CONFIG.name else self.file.stem
        return self.shop or own or "churn"

    def beside(self, path: Path) -> Path:
        """A path of the settings, relative to the folder of their file."""
        return (self.file.parent / path).resolve()

    def place(self, where: str) -> str:
        """A URL as it is, a path beside the settings."""
        return where if "://" in where else str(self.beside(Path(where)))

    def text(self) -> str:
        """The settings as JSON, those of the environment and defaults among them, without what may hold a secret."""
        hidden: dict[str, Any] = {"engine": {"options"}}
        for section, key in SECRETS:
            hidden.setdefault(section, set()).add(key)
        return json.dumps(self.model_dump(mode="json", exclude=hidden), indent=2, ensure_ascii=False)

    def secrets(self) -> list[str]:
        """Every secret that is set: what no text may repeat."""
        values = (getattr(getattr(self, section), key) for section, key in SECRETS)
        return [value.get_secret_value() if isinstance(value, SecretStr) else f"{value}" for value in values if value]

    def turn(self) -> Turn:
        """The right to write to the lake."""
        folders = (self.lake.reports, self.lake.data_docs, self.crm.exports)
        beside = tuple(map(self.beside, folders))
        return Turn(self.beside(self.lake.path), patience=60 * self.lake.wait_minutes, beside=beside)

    def erasures(self) -> Erasures:
        """Who was erased."""
        lake = self.lake.path
        return Erasures(self.beside(self.lake.erasures or lake.with_name(f"{lake.name}.erased.json")))

    def transactions(self) -> FileSource | DatabaseSource:
        """The configured source of transactions."""
        source = self.source
        reading = Reading(timestamp_format=source.timestamp_format, decimal=source.decimal)
        if source.url is not None and source.kind == "database":
            return DatabaseSource(
                source.url.get_secret_value(),
                source.columns,
                reading,
                table=source.table,
                query=source.query,
                arrived_column=source.arrived_column,
                identity=source.identity,
                overlap_days=source.overlap_days,
            )
        dialect = Dialect(source.delimiter, source.quote, source.encoding, source.skip_lines)
        return FileSource(
            self.place(source.path or ""),
            source.columns,
            reading,
            dialect,
            on_bad_file=source.on_bad_file,
            identity=source.identity,
            corrections=source.corrections,
            retries=self.network.retries,
        )

    def optional_inputs(self) -> tuple[InputSource, ...]:
        """The configured inputs besides transactions."""
        return tuple(InputSource(each.name, each.kind, self._rows_of(each)) for each in self.inputs)

    def consents(self) -> tuple[ConsentSource, ...]:
        """Where consent comes from, if it is on record."""
        given = self.consent
        if given.customer_id is None or given.timestamp is None or not given.rule.recorded:
            return ()
        who = ColumnMapping(customer_id=(given.customer_id,), timestamp=(given.timestamp,))
        reading = Reading(given.timestamp_format)
        return (ConsentSource(self._rows_at(given, who, reading), given.channels, given.channel, given.given),)

    def _rows_of(self, given: Input) -> FileSource | InputTable:
        optional = {"amount": given.value, "category": given.category, "contract_until": given.valid_until}
        columns = ColumnMapping(
            customer_id=(given.customer_id,),
            timestamp=(given.timestamp,),
            **{name: (own,) for name, own in optional.items() if own is not None},
        )
        return self._rows_at(given, columns, Reading(given.timestamp_format, given.decimal))

    def _rows_at(
        self, given: Input | ConsentSettings, columns: ColumnMapping, reading: Reading
    ) -> FileSource | InputTable:
        if given.path is not None:
            return FileSource(self.place(given.path), columns, reading)
        assert self.source.url is not None  # checked where settings are loaded
        url = self.source.url.get_secret_value()
        return InputTable(url, given.table or "query", columns, query=given.query, reading=reading)

    def tracking_uri(self) -> str:
        """The absolute URI of the tracking store."""
        return self.mlflow.tracking_uri or sqlite_address(self.beside(Path("mlflow.db")))

    def crm_database(self) -> str:
        """The delivery's database: a URL as it is, a file beside the settings."""
        return self.place(self.crm.database)

    def artifacts(self) -> str:
        """Where the default tracking store keeps its artifacts."""
        return self.place(self.mlflow.artifacts)


def load_settings(path: Path | None = None) -> Settings:
    """Read settings from a file and the environment.

    Args:
        path: The file; by default ``$CHURN_CONFIG``, else ``churn.toml`` in the working directory.

    Raises:
        SettingsError: If the file is missing or not TOML, or a key is unknown, missing or out of range.
    """
    file = path or Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    table = read_table(file)
    try:
        settings = Settings(**table, file=file.resolve())
    except EnvironmentSettingsError as error:
        raise SettingsError(f"{error}: name a single key, such as CHURN__CHURN__HORIZON_DAYS=60.") from None
    except ValidationError as error:
        raise SettingsError(
            "\n".join(f"{file}: {sentence(dict(item), Settings, SECRETS)}" for item in error.errors())
        ) from None
    if wrong := list(unmeant(settings, table)):
        raise SettingsError("\n".join(f"{file}: {each}" for each in wrong))
    _refuse_contradictions(settings, file)
    return settings


def read_table(file: Path) -> dict[str, Any]:
    """What a file of settings says, unchecked but for secrets.

    Raises:
        SettingsError: If the file is missing or not TOML, or holds what may be a secret.
    """
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise SettingsError(f"{file}: no such file. Name your settings with --config.") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}). Name your settings with --config.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} is not TOML: line {line} is not UTF-8. Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{file} is not TOML: {not_toml(text, error)}. Correct the line: texts stand in quotes, and no key or "
            "section stands twice."
        ) from None
    for section, key in SECRETS:
        given = table.get(section)
        if not isinstance(given, dict) or key not in given:
            continue
        if (section, key) not in _MAY_BE_PLAIN or given[key] != shown(f"{given[key]}"):
            variable = f"CHURN__{section}__{key}".upper()
            raise SettingsError(f"{file}: {section}.{key} may hold a password: set {variable} in the environment.")
    return table


def _refuse_contradictions(settings: Settings, file: Path) -> None:
    if settings.schedule.on_arrival and settings.source.kind == "database":
        raise SettingsError(f"{file}: schedule.on_arrival watches files, not a database: set schedule.enabled instead.")
    from_database = [f"the input {given.name!r}" for given in settings.inputs if given.path is None]
    from_database += ["consent"] if settings.consent.rule.recorded and settings.consent.path is None else []
    if from_database and settings.source.url is None:
        raise SettingsError(f"{file}: {from_database[0]} is read from a database: set {SOURCE_URL} in the environment.")
    # Nobody would hear objections to a channel whose name has a slip.
    channels = sorted({action.channel for action in settings.retention.actions} | {PROFILING, MARKETING})
    for name in sorted(set(settings.consent.channels) - set(channels)):
        if near := get_close_matches(name, channels, n=1):
            raise SettingsError(
                f"{file}: consent.channels names {name!r}, which no action uses; did you mean {near[0]!r}?"
            )
    if settings.validation.return_pattern is not None and not any(
        map(str.strip, settings.source.columns.transaction_id)
    ):
        raise SettingsError(
            f"{file}: validation.return_pattern marks cancellations by their order ids, but "
            "source.columns.transaction_id names no column: name it, or take the pattern out."
        )
    if settings.churn.grace is not None and not any(map(str.strip, settings.source.columns.contract_until)):
        raise SettingsError(
            f"{file}: churn.definition is 'contract', but source.columns.contract_until names no column: write the "
            "header that your deliveries have for the last paid day, or set churn.definition to 'inactivity'."
        )
    if settings.churn.grace is not None and "terms" not in settings.features.families:
        raise SettingsError(
            f"{file}: churn.definition is 'contract', but features.families lacks 'terms', which it is learned from: "
            "add it."
        )
