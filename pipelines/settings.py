"""`churn.toml`, read and checked before anything runs."""

import os
import tomllib
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentSettingsError

from assets.consent_source import ConsentSource
from assets.database import DatabaseSource
from assets.dialects import Dialect
from assets.files import FileSource
from assets.input_source import SOURCE_URL, InputSource, InputTable
from assets.network import Network
from assets.postgresql import without_password
from assets.push import Push
from assets.turn import Turn
from models.actions import Policy
from models.consent import MARKETING, PROFILING, Basis, ConsentRule
from models.definition import ChurnDefinition
from models.deliveries import IDENTITY, check_identity
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
from pipelines.operation import Alerts, Schedule

CONFIG_VARIABLE = "CHURN_CONFIG"
DEFAULT_CONFIG = Path("churn.toml")
_SECRETS = (("source", "url"), ("alerts", "webhook"), ("alerts", "smtp_password"), ("push", "url"), ("push", "token"))


class SettingsError(Exception):
    """Settings that cannot be used; the message names the key, its value and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(columns: Any) -> Any:
    """Let one name stand for a list of one."""
    if not isinstance(columns, dict):
        return columns
    return {key: [name] if isinstance(name, str) else name for key, name in columns.items()}


class Source(_Section):
    """Where transactions come from.

    Attributes:
        kind: ``files`` or ``database``.
        path: Files: a folder, read with its subfolders, one file or a pattern such as ``landing/**/orders-*.csv``, here
            or below ``s3://``, ``gs://`` or ``az://``; csv, csv.gz, parquet, ndjson, by extension.
        url: Database: ``postgresql://user:password@host/database``, or that of another database whose driver is
            installed; only from the environment, ``CHURN__SOURCE__URL``.
        table: Database: the table or view that is read.
        query: Database: a SELECT in place of a table.
        arrived_column: Database: when a row arrived; without it a row counts as arrived when it happened.
        columns: Canonical name = your name, or a list of names where headers drift.
        timestamp_format: A strftime pattern such as ``%d.%m.%Y``; found out from each file where absent.
        decimal: Decimal mark of numbers in text: ``.``, ``,`` or ``auto``.
        delimiter: Delimiter of csv files; found out from each file where absent.
        quote: Quotation mark of csv files; found out from each file where absent.
        encoding: Encoding of text files; found out from each file where absent.
        on_bad_file: What becomes of a night with a file that cannot be read: ``stop`` refuses the night, ``skip`` goes
            on without the file and tries it again the next night.
        identity: Columns in which two rows of the same line agree, whatever else they say: customer_id, timestamp, and
            any more of ours. Fixed once a night has run.
    """

    kind: Literal["files", "database"] = "files"
    path: str | None = None
    url: SecretStr | None = None
    table: str | None = None
    query: str | None = None
    arrived_column: str | None = None
    columns: Annotated[ColumnMapping, BeforeValidator(_listed)]
    timestamp_format: str | None = None
    decimal: Literal["auto", ".", ","] = "auto"
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    on_bad_file: Literal["stop", "skip"] = "stop"
    identity: tuple[str, ...] = IDENTITY

    @model_validator(mode="after")
    def _complete(self) -> "Source":
        if self.kind == "files" and self.path is None:
            raise ValueError("path is missing: name the folder or file that transactions are delivered to")
        for role in ("customer_id", "timestamp"):
            if not any(name.strip() for name in getattr(self.columns, role)):
                raise ValueError(f"columns.{role} names no column: write the header that your deliveries have for it")
        Dialect(delimiter=self.delimiter, quote=self.quote, encoding=self.encoding)
        check_identity(self.identity, [column.name for column in fields(ColumnMapping)])
        if self.kind == "database" and self.url is None:
            raise ValueError("url is missing: set it in the environment, CHURN__SOURCE__URL=postgresql://…")
        if self.kind == "database" and (self.table is None) == (self.query is None):
            raise ValueError("a database is read by a table or by a query: set one of table and query")
        return self


class Input(_Section):
    """What else is on record of customers: attributes, contacts, tickets, answers; files, a table or a query each.

    Attributes:
        name: What its features are called after: lower-case letters, digits and ``_``.
        kind: ``events`` happen once and are counted; of ``attributes`` the row that is valid on the night counts.
        path: A folder, file, pattern or object-store URL, as for transactions.
        table: In place of files, a table or view of the database in ``CHURN__SOURCE__URL``.
        query: In place of files, a SELECT on that database.
        customer_id: Column with the customer, as in the transactions.
        timestamp: Column that says when the event happened, or from when on the attribute is valid. Nothing counts
            before it, and nothing on a night before it arrived.
        valid_until: Attributes: column with the last valid day; empty is for ever.
        value: Column with a number, such as an answer from 0 to 10.
        category: Column with a text, such as the kind of ticket or the tariff.
        role: ``contacts`` says that these events are the contacts that were really made; settlement then also tells the
            effect on those who were reached.
    """

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    kind: Literal["events", "attributes"] = "events"
    path: str | None = None
    table: str | None = None
    query: str | None = None
    customer_id: str
    timestamp: str
    valid_until: str | None = None
    value: str | None = None
    category: str | None = None
    role: Literal["contacts"] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "Input":
        if self.role == "contacts" and self.kind != "events":
            raise ValueError(f"the input {self.name!r} has the role contacts, which happen: its kind must be events")
        if sum(origin is not None for origin in (self.path, self.table, self.query)) != 1:
            raise ValueError(f"the input {self.name!r} needs exactly one of path, table and query")
        return self


class ConsentSettings(_Section):
    """Who agreed or objected to what, and what it means that nothing is on record of somebody.

    Attributes:
        path: A folder, file, pattern or object-store URL, as for transactions. Without path, table and query nothing is
            on record, nobody is held back, and consent is up to whoever reads the table.
        table: In place of files, a table or view of the database in ``CHURN__SOURCE__URL``.
        query: In place of files, a SELECT on that database.
        customer_id: Column with the customer, as in the transactions.
        timestamp: Column that says from when on the row counts. Of several rows the latest counts, of two at the same
            time the objection. An objection without a readable time counts from the night on which it arrives; a yes
            without one is left out.
        channels: Our name = yours. Ours are the channels of the actions, ``profiling``, and ``marketing`` for all of
            them; yours is a column of yes and no, or, with ``channel``, a value of that column. Without any, every row
            of the file is an objection to ``marketing``.
        channel: Column that says what a row is about, where each row is about one thing.
        given: Column that says yes or no, beside ``channel``.
        legal_basis: Of contacts: ``consent`` contacts nobody by a channel without a yes for it, ``legitimate_interest``
            everybody without a no.
        profiling_basis: Of features, scores and training: ``legitimate_interest`` takes in everybody who has not
            objected to profiling, ``consent`` only those who agreed to it.
    """

    path: str | None = None
    table: str | None = None
    query: str | None = None
    customer_id: str | None = None
    timestamp: str | None = None
    channels: dict[str, str] = {}
    channel: str | None = None
    given: str | None = None
    legal_basis: Basis = "consent"
    profiling_basis: Basis = "legitimate_interest"

    @model_validator(mode="after")
    def _complete(self) -> "ConsentSettings":
        origins = sum(origin is not None for origin in (self.path, self.table, self.query))
        if origins > 1:
            raise ValueError("path, table and query exclude each other: set one of them")
        if origins and (self.customer_id is None or self.timestamp is None):
            raise ValueError("customer_id or timestamp is missing: name the columns that say who, and from when on")
        if not origins and self.profiling_basis == "consent":
            raise ValueError("path is missing: profiling_basis = 'consent' scores only who agreed, so name their file")
        if (self.channel is None) != (self.given is None):
            raise ValueError("channel and given belong together: what a row is about, and whether it says yes or no")
        if self.channel is not None and not self.channels:
            raise ValueError("channels is missing: name every value of the column channel, such as email = 'E-Mail'")
        if len(set(self.channels.values())) < len(self.channels):
            raise ValueError("channels gives two of ours the same name of yours; marketing stands for all of them")
        return self

    @property
    def rule(self) -> ConsentRule:
        """What silence means."""
        return ConsentRule(self.legal_basis, self.profiling_basis, recorded=bool(self.path or self.table or self.query))


class LakeSettings(_Section):
    """Where tables are kept.

    Attributes:
        path: Folder of the lake.
        reports: Folder of the nightly reports.
        data_docs: Folder of Great Expectations' Data Docs.
        data_docs_url: Where a browser finds that folder; the link of every check begins with it. By default where
            ``churn ui`` shows it.
        wait_minutes: How long a run waits while another one works on the lake, before it gives up; 0 does not wait.
    """

    path: Path = Path("lake")
    reports: Path = Path("reports")
    data_docs: Path = Path("data_docs")
    data_docs_url: str = "http://127.0.0.1:3002"
    wait_minutes: float = Field(default=60, ge=0)

    @field_validator("path", "reports", "data_docs", mode="before")
    @classmethod
    def _is_folder(cls, path: Any) -> Any:
        if "://" in str(path):
            raise ValueError(f"{path} is no folder: deliveries may come from an object store, the lake is on a disk")
        return path


class MlflowSettings(_Section):
    """Where experiments are tracked.

    Attributes:
        tracking_uri: Absolute URI of a store or server; by default an SQLite file beside the settings.
        experiment: Name of the experiment.
        model: Name of the registered model.
        artifacts: Folder or URI of the artifacts of the default store.
    """

    tracking_uri: str | None = None
    experiment: str = "churn"
    model: str = "churn"
    artifacts: str = "mlartifacts"


class CrmSettings(_Section):
    """Where the at-risk table is delivered.

    Attributes:
        database: SQLite file of the delivered tables, or a ``postgresql://`` URL; give the latter by the environment.
        exports: Folder of the Parquet and CSV exports.
        departed_days: For how many days a customer who left stays in the current table, marked as such.
        history_days: For how many days before the current night nights are kept in the history table; by default for
            thirteen months, so that a season can be compared with that of the year before.
    """

    database: str = "crm.db"
    exports: Path = Path("exports")
    departed_days: int = Field(default=30, ge=1)
    history_days: int = Field(default=400, ge=1)


class Settings(BaseSettings):
    """Everything a user can set.

    Attributes:
        language: Language of the reasons, and of names and purposes of segments in reports: ``en`` or ``de``.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="CHURN__", env_nested_delimiter="__", env_ignore_empty=True
    )

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
    crm: CrmSettings = CrmSettings()
    mlflow: MlflowSettings = MlflowSettings()
    lake: LakeSettings = LakeSettings()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    network: Network = Network()
    push: Push = Push()
    file: Path = Field(default=DEFAULT_CONFIG, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, so that one key can be tried without an edit."""
        return EnvSettingsSource(settings_cls), init_settings

    def beside(self, path: Path) -> Path:
        """A path of the settings, relative to the folder of their file."""
        return (self.file.parent / path).resolve()

    def place(self, where: str) -> str:
        """A URL as it is, a path beside the settings."""
        return where if "://" in where else str(self.beside(Path(where)))

    def text(self) -> str:
        """The file as it stands, without passwords."""
        return without_password(self.file.read_text(encoding="utf-8"))

    def turn(self) -> Turn:
        """The right to write to the lake."""
        return Turn(self.beside(self.lake.path), patience=60 * self.lake.wait_minutes)

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
            )
        dialect = Dialect(delimiter=source.delimiter, quote=source.quote, encoding=source.encoding)
        return FileSource(
            self.place(source.path or ""),
            source.columns,
            reading,
            dialect,
            on_bad_file=source.on_bad_file,
            identity=source.identity,
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
        return (ConsentSource(self._rows_at(given, who), given.channels, given.channel, given.given),)

    def _rows_of(self, given: Input) -> FileSource | InputTable:
        optional = {"amount": given.value, "category": given.category, "contract_until": given.valid_until}
        columns = ColumnMapping(
            customer_id=(given.customer_id,),
            timestamp=(given.timestamp,),
            **{name: (own,) for name, own in optional.items() if own is not None},
        )
        return self._rows_at(given, columns)

    def _rows_at(self, given: Input | ConsentSettings, columns: ColumnMapping) -> FileSource | InputTable:
        if given.path is not None:
            return FileSource(self.place(given.path), columns)
        assert self.source.url is not None  # checked where settings are loaded
        return InputTable(self.source.url.get_secret_value(), given.table or "query", columns, query=given.query)

    def tracking_uri(self) -> str:
        """The absolute URI of the tracking store."""
        return self.mlflow.tracking_uri or f"sqlite:///{self.beside(Path('mlflow.db'))}"

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
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        for section, key in _SECRETS:
            given = table.get(section)
            if isinstance(given, dict) and key in given:
                variable = f"CHURN__{section}__{key}".upper()
                raise SettingsError(f"{file}: {section}.{key} may hold a password: set {variable} in the environment.")
        settings = Settings(**table, file=file.resolve())
    except FileNotFoundError:
        raise SettingsError(f"{file}: no such file. Name your settings with --config.") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}). Name your settings with --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} is not TOML: {error}. Correct the line: texts stand in quotes, and no key or section stands twice."
        ) from None
    except EnvironmentSettingsError as error:
        raise SettingsError(f"{error}: name a single key, such as CHURN__CHURN__HORIZON_DAYS=60.") from None
    except ValidationError as error:
        raise SettingsError("\n".join(f"{file}: {_sentence(dict(item))}" for item in error.errors())) from None
    _refuse_contradictions(settings, file)
    return settings


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


def _sentence(error: dict[str, Any]) -> str:
    *parents, last = (str(part) for part in error["loc"])
    key, message = ".".join([*parents, last]), error["msg"].removeprefix("Value error, ")
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        near = get_close_matches(last, keys_of(parents), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(keys_of(parents)))}."
        return f"{key} is no setting; {hint}"
    if error["type"] == "missing":
        section = f" under [{'.'.join(parents)}]" if parents else ""
        return f"{key} is missing: add {last}{section}."
    if error["type"] == "value_error":
        return f"{key}: {message}."
    return f"{key} = {error['input']!r}: {message[0].lower()}{message[1:]}."


def keys_of(parents: list[str]) -> list[str]:
    """The keys that a section of the settings knows, by the names of the sections above it."""
    section: Any = Settings
    for name in parents:
        if name.isdigit():
            continue
        section = _members(section).get(name, object)
    return [name for name in _members(section) if name != "file"]


def _members(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and is_dataclass(section):
        types = get_type_hints(section)
        return {field.name: innermost(types[field.name]) for field in fields(section)}
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: innermost(field.annotation) for name, field in section.model_fields.items()}
    return {}


def innermost(annotation: Any) -> Any:
    """The class of settings inside an annotation such as ``tuple[Action, ...]``; the annotation itself if none is."""
    for argument in get_args(annotation):
        inner = innermost(argument)
        if isinstance(inner, type) and (is_dataclass(inner) or issubclass(inner, BaseModel)):
            return inner
    return annotation
