"""The sections of `churn.toml` that name places and columns; the others stand beside what they configure."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from assets.addresses import check_address, check_place, shown
from assets.dialects import Dialect
from assets.input_source import SOURCE_URL
from assets.postgresql import is_postgresql
from models.consent import Basis, ConsentRule
from models.deliveries import IDENTITY, PLACES, check_identity
from models.mapping import ColumnMapping


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
            or below ``s3://``, ``gs://`` or ``az://``; csv, tsv, ndjson, jsonl, also packed as gz, bz2, xz, zst or zip,
            parquet, and txt and json that begin like a table or like NDJSON.
        url: Database: ``postgresql://user:password@host/database``, or that of another database whose driver is
            installed; only from the environment, ``CHURN__SOURCE__URL``.
        table: Database: the table or view that is read.
        query: Database: a SELECT in place of a table.
        arrived_column: Database: when a row arrived; without it a row counts as arrived when it happened.
        overlap_days: Database: days before the last night that are asked for again, for rows that were committed long
            after they were stamped; what is known of them counts once.
        columns: Canonical name = your name, or a list of names where headers drift.
        timestamp_format: A strftime pattern such as ``%d.%m.%Y``, or what numbers count: ``s``, ``ms``, ``us`` or
            ``ns`` since 1970, or ``excel`` for the days of a spreadsheet; found out from each file where absent.
        decimal: Decimal mark of numbers in text: ``.``, ``,`` or ``auto``, which finds it out from each file.
        delimiter: Delimiter of csv files; found out from each file where absent.
        quote: Quotation mark of csv files; found out from each file where absent.
        encoding: Encoding of the text files that are not UTF-8; Windows-1252 where absent.
        skip_lines: Lines of csv files above their header, such as a title.
        on_bad_file: What becomes of a night with a file that cannot be read: ``stop`` refuses the night, ``skip`` goes
            on without the file and tries it again the next night.
        identity: Columns in which two rows of the same line agree, whatever else they say: customer_id, timestamp, and
            any more of ours; source_file or source_folder where equal lines of two files are two. Fixed once a night
            has run.
        corrections: Files: what becomes of an order that comes again with other lines on the same day. ``add`` counts
            them beside the old ones; with ``replace`` the newest delivery of an order is all of it, from that night on.
    """

    kind: Literal["files", "database"] = "files"
    path: str | None = None
    url: SecretStr | None = None
    table: str | None = None
    query: str | None = None
    arrived_column: str | None = None
    overlap_days: int = Field(default=3, ge=0)
    columns: Annotated[ColumnMapping, BeforeValidator(_listed)]
    timestamp_format: str | None = None
    decimal: Literal["auto", ".", ","] = "auto"
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    on_bad_file: Literal["stop", "skip"] = "stop"
    identity: tuple[str, ...] = IDENTITY
    corrections: Literal["add", "replace"] = "add"

    @model_validator(mode="after")
    def _complete(self) -> "Source":
        check_place(self.path or "", "path")
        if self.url is not None:
            check_address(self.url.get_secret_value(), SOURCE_URL)
        if self.kind == "files" and self.path is None:
            raise ValueError("path is missing: name the folder or file that transactions are delivered to")
        for role in ("customer_id", "timestamp"):
            if not any(name.strip() for name in getattr(self.columns, role)):
                raise ValueError(f"columns.{role} names no column: write the header that your deliveries have for it")
        Dialect(self.delimiter, self.quote, self.encoding, self.skip_lines)
        check_identity(self.identity, [*(column.name for column in fields(ColumnMapping)), *PLACES])
        if self.corrections == "replace":
            self._check_replacing()
        if self.kind == "database" and self.url is None:
            raise ValueError("url is missing: set it in the environment, CHURN__SOURCE__URL=postgresql://…")
        if self.kind == "database" and (self.table is None) == (self.query is None):
            raise ValueError("a database is read by a table or by a query: set one of table and query")
        return self

    def _check_replacing(self) -> None:
        if self.kind == "database":
            raise ValueError(
                'corrections = "replace" takes whole orders, and a database brings only the rows of an order that '
                'changed; set "add", or deliver files'
            )
        if places := [name for name in PLACES if name in self.identity]:
            raise ValueError(
                f'corrections = "replace" takes equal order ids for the same order, and identity holds {places[0]}, by '
                "which they are two; take it out"
            )


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
        timestamp_format: As for transactions, of timestamp and valid_until.
        decimal: As for transactions, of value.
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
    timestamp_format: str | None = None
    decimal: Literal["auto", ".", ","] = "auto"
    role: Literal["contacts"] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "Input":
        check_place(self.path or "", "path")
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
        timestamp_format: As for transactions.
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
    timestamp_format: str | None = None
    legal_basis: Basis = "consent"
    profiling_basis: Basis = "legitimate_interest"

    @model_validator(mode="after")
    def _complete(self) -> "ConsentSettings":
        check_place(self.path or "", "path")
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
        erasures: File that keeps who was erased, as digests, so that nobody comes back when the lake is removed or
            restored; by default beside the lake, such as ``lake.erased.json``.
        wait_minutes: How long a run waits while another one works on the lake, before it gives up; 0 does not wait.
    """

    path: Path = Path("lake")
    reports: Path = Path("reports")
    data_docs: Path = Path("data_docs")
    data_docs_url: str = "http://127.0.0.1:3002"
    erasures: Path | None = None
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
        tracking_uri: Absolute URI of a store or server; by default an SQLite file beside the settings. One with a user,
            a password or a query only from the environment, ``CHURN__MLFLOW__TRACKING_URI``.
        experiment: Name of the experiment.
        model: Name of the registered model.
        artifacts: Folder or URI of the artifacts of the default store.
    """

    tracking_uri: str | None = Field(default=None, repr=False)
    experiment: str = "churn"
    model: str = "churn"
    artifacts: str = "mlartifacts"

    @field_validator("artifacts")
    @classmethod
    def _has_no_key(cls, artifacts: str) -> str:
        check_place(artifacts, "artifacts")
        return artifacts

    @field_validator("tracking_uri")
    @classmethod
    def _is_address(cls, uri: str | None) -> str | None:
        if uri is not None and "://" in uri and not uri.startswith("sqlite:"):
            check_address(uri, "CHURN__MLFLOW__TRACKING_URI")
        # MLflow's messages repeat the address of a server.
        if uri is not None and uri.startswith("http") and shown(uri) != uri:
            raise ValueError(
                "CHURN__MLFLOW__TRACKING_URI is a server's address and nothing else: set user and password as "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri


class CrmSettings(_Section):
    """Where the at-risk table is delivered.

    Attributes:
        database: SQLite file of the delivered tables, or a ``postgresql://`` URL. One with a user, a password or a
            query only from the environment, ``CHURN__CRM__DATABASE``.
        exports: Folder of the Parquet and CSV exports.
        departed_days: For how many days a customer who left stays in the current table, marked as such.
        history_days: For how many days before the current night nights are kept in the history table; by default for
            thirteen months, so that a season can be compared with that of the year before.
    """

    database: str = Field(default="crm.db", repr=False)
    exports: Path = Path("exports")
    departed_days: int = Field(default=30, ge=1)
    history_days: int = Field(default=400, ge=1)

    @field_validator("database")
    @classmethod
    def _is_address(cls, database: str) -> str:
        if is_postgresql(database) or "://" in database:
            check_address(database, "CHURN__CRM__DATABASE", schemes=("postgresql", "postgres"))
        elif re.search(r"\bpass\w*\s*=", database):
            raise ValueError("CHURN__CRM__DATABASE is no file: write postgresql://user:password@host:5432/database")
        return database
