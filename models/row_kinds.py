"""Rows that are no sales: what columns of status, kind, sign, test and deletion say, counted value by value."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from models.header_words import parts

MOST_VALUES = 50
"""A column with more different values names things, not kinds of rows."""
_SHOWN = 6

# Words of headers. A flag is raised on some rows; a kind says of each row what it is; a sign makes money give or take.
_HEADERS = {
    "flag": """test deleted removed cancelled canceled cancellation cancel void voided refunded returned trash archived
        draft fake fraud fraudulent spam internal gift geloscht storniert storno erstattet intern annule supprime
        rembourse essai anulado cancelado eliminado borrado prueba annullato eliminato prova geannuleerd verwijderd
        excluido teste anulowano usunieto makulerad raderad borttagen""",
    "kind": """status state stage kind type typ art event action zustand vorgang belegart auftragsart vorgangsart
        bewegungsart umsatzart buchungsart statut etat estado tipo stato soort staat rodzaj stan""",
    "sign": "sign vorzeichen indicator kennzeichen shkzg soll haben debit credit sens signo segno teken",
    # Kinds of customers, goods and parcels are no kinds of rows.
    "other": """customer client user account product item ship shipping shipped delivery payment card address region
        country fulfillment lineitem billing risk kunde kunden produkt artikel liefer zahlung zahlungs province us""",
}
_MEANT_BY = {word: kind for kind, words in reversed(_HEADERS.items()) for word in words.split()}
_OTHERS = "others"
_ENDINGS = ("status", "typ")
_NUMBER = r"^\W?\d+([.,]\d+)?\W?$"
# What is not sold to anybody, in the words of shops, tills, payment services and ledgers.
_SAID = r"""
    cancell?ed cancell?ation cancel void voided refund refunded return returned failed failure declined rejected
    denied pending draft abandoned expired unpaid authori[sz]ed chargeback charged[_\s]?back
    disputed dispute deleted trash test fraud quote quotation estimate proforma pro[-\s]forma on[-_\s]?hold
    credit[-_\s]?(memo|note) payout adjustment gift[-_\s]?card (page_?|product_?)?(view|click)(ed|s)?
    (add_?to_?|remove_?from_?)?cart(ed|s)? impressions?
    storniert storno stornierung stornorechnung gutschrift rechnungskorrektur retoure ruecksendung r[uü]ckgabe angebot
    entwurf unbezahlt abgebrochen fehlgeschlagen gel[oö]scht erstattet erstattung anfrage gutschein
    annul[eé]e? rembours[eé]e? remboursement avoir brouillon [eé]chou[eé]e? devis carte[-\s]cadeau
    cancelad[oa] anulad[oa] reembolsad[oa] reembolso devuelt[oa] devoluci[oó]n borrador fallid[oa] pendiente presupuesto
    abono tarjeta[-\s]regalo
    annullat[oa] rimborsat[oa] rimborso reso bozza fallit[oa] preventivo nota[-\s]di[-\s]credito
    geannuleerd terugbetaald retour concept mislukt offerte creditnota creditfactuur cadeaubon
    devolvid[oa] rascunho pendente or[cç]amento estornad[oa]
    anulowan[eay] zwrot zwr[oó]con[eay] korekta szkic nieop[lł]acon[eay]
    makulerad avbruten [aå]terbetald retur utkast krediterad kreditfaktura offert presentkort
"""
_WORDS = "|".join(_SAID.split())
# In a column that says what kind a row is a word tells; elsewhere, as in names of goods, the whole value has to say it.
_NO_SALE = {"kind": rf"(?i)(^|[^\pL])({_WORDS})($|[^\pL])", "sign": rf"(?i)^({_WORDS})$", None: rf"(?i)^({_WORDS})$"}
_SALE = (
    r"(?i)^(partially[ _-]?)?(paid|completed?|closed|fulfilled|shipped|delivered|processed|processing|success(ful)?"
    r"|succeeded|settled|confirmed|invoiced|captured|ok|sale|sales|sold|purchase|purchased|order|invoice|bezahlt"
    r"|abgeschlossen|versendet|versandt|geliefert|rechnung|verkauf|erledigt|pay[eé]e?|termin[eé]e?|livr[eé]e?|vente"
    r"|pagad[oa]|completad[oa]|enviad[oa]|venta|pagat[oa]|completat[oa]|vendita|betaald|voltooid|verzonden|pag[oa]"
    r"|conclu[ií]d[oa]|venda|op[lł]acone|zrealizowane|sprzeda[zż]|betald|slutf[oö]rd|partially[ _-]refunded"
    r"|unfulfilled)$"
)
_YES = ("true", "t", "yes", "y", "1", "1.0", "x", "ja", "j", "oui", "o", "si", "sí", "s", "sim", "tak", "wahr", "vrai")
_NO = ("false", "f", "no", "n", "0", "0.0", "nein", "non", "não", "nao", "nie", "nej", "nee", "falsch", "faux", "-")
_OPPOSITES = tuple(
    frozenset(pair.split())
    for pair in (
        "s h",
        "d c",
        "dr cr",
        "db cr",
        "+ -",
        "debit credit",
        "soll haben",
        "in out",
        "1 -1",
        "sale refund",
        "payment refund",
    )
)


@dataclass(frozen=True)
class RowKinds:
    """A column that tells sales apart from rows that are none.

    Attributes:
        column: Its header.
        counts: Value -> rows, those that seem to be no sales first.
        rows: How many rows seem to be no sales.
        why: What the column seems to be: a flag, a kind or a sign.
    """

    column: str
    counts: Mapping[str, int]
    rows: int
    why: str

    @property
    def sentence(self) -> str:
        """What was seen, what harm it does, and what to do."""
        shown = ", ".join(f"{value} {rows:,}" for value, rows in list(self.counts.items())[:_SHOWN])
        more = ", …" * (len(self.counts) > _SHOWN)
        if self.why == "sign":
            return (
                f"{self.column!r} seems to say whether money is given or taken ({shown}): amounts count as they stand, "
                "so returns without a minus would be purchases. Deliver the amounts with their signs"
            )
        if not self.rows:
            return (
                f"{self.column!r} tells kinds of rows apart ({shown}{more}), and all count as purchases. Look whether "
                "all of them are, and deliver those alone that are"
            )
        return (
            f"{self.column!r} marks {self.rows:,} {'row' if self.rows == 1 else 'rows'} as no plain sales "
            f"({shown}{more}): they count as purchases unless their amounts are negative. Deliver the sales alone"
        )


def telling(header: str) -> str | None:
    """What the words of a header promise: ``flag``, ``kind``, ``sign`` or nothing."""
    promised = _promises(header)
    return next((kind for kind in ("flag", "kind", "sign") if kind in promised), None)


def row_kinds(files: Iterable[pl.DataFrame], *, used: Collection[str] = ()) -> list[RowKinds]:
    """The columns that tell sales from other rows, over all files together.

    Args:
        files: Some or all rows of each file, dtypes as read.
        used: Headers that mean something else already.
    """
    meant = {name.strip().lower() for name in used}
    counts: dict[str, pl.DataFrame] = {}
    for frame in files:
        for name, dtype in frame.schema.items():
            if name.strip().lower() not in meant and _may_tell(name, dtype):
                counted = value_counts(frame.lazy(), [name])[name]
                counts[name] = pl.concat([counts[name], counted]) if name in counts else counted
    found = (judge(name, counted) for name, counted in counts.items())
    return [kinds for kinds in found if kinds is not None]


def value_counts(frame: pl.LazyFrame, columns: Collection[str]) -> dict[str, pl.DataFrame]:
    """Value, as text in which no value is empty, and rows of each column; the columns are read once."""
    return dict(
        zip(
            columns,
            pl.collect_all(
                [
                    frame.select(value=pl.col(name).cast(pl.String).str.strip_chars().fill_null(""))
                    .group_by("value")
                    .agg(pl.len().cast(pl.Int64).alias("rows"))
                    for name in columns
                ]
            ),
            strict=True,
        )
    )


def judge(column: str, counted: pl.DataFrame) -> RowKinds | None:
    """What a column says, from how often it holds which value; None where it tells nothing apart.

    Args:
        column: Its header.
        counted: value · rows, as from :func:`value_counts`; a value may stand there more than once.
    """
    counted = (
        counted.group_by("value").agg(pl.col("rows").sum()).sort(pl.col("rows"), "value", descending=[True, False])
    )
    filled = counted.filter(pl.col("value") != "")
    words, lower = telling(column), pl.col("value").str.to_lowercase()
    if words == "flag" and filled.height:
        return _raised(column, filled, empty=filled.height < counted.height)
    if not 0 < filled.height <= MOST_VALUES:
        return None
    values = frozenset(filled.select(lower).to_series())
    if len(values) == 2 and (values in _OPPOSITES or (words == "sign" and values <= {"1", "2", "-1", "0"})):
        return RowKinds(column, _as_dict(filled), int(filled["rows"][-1]), "sign")
    bad = filled.filter(pl.col("value").str.contains(_NO_SALE[words]) & ~pl.col("value").str.contains(_SALE))
    if bad.height:
        others = filled.join(bad, on="value", how="anti", maintain_order="left")
        return RowKinds(column, _as_dict(pl.concat([bad, others])), int(bad["rows"].sum()), "kind")
    plain = words == "kind" and "other" not in _promises(column)
    unknown = filled.filter(~pl.col("value").str.contains(_SALE)).height
    return RowKinds(column, _as_dict(filled), 0, "kind") if plain and filled.height > 1 and unknown else None


def _promises(header: str) -> set[str | None]:
    # German writes words together: the last one says what it is.
    return {_MEANT_BY.get(word, "kind" if word.endswith(_ENDINGS) else None) for word in parts(header)}


def _may_tell(name: str, dtype: pl.DataType) -> bool:
    if dtype.is_nested() or dtype in (pl.Binary, pl.Null):
        return False
    return telling(name) is not None or dtype in (pl.String, pl.Categorical, pl.Enum)


def _raised(column: str, filled: pl.DataFrame, *, empty: bool) -> RowKinds | None:
    lower = pl.col("value").str.to_lowercase()
    if filled.select(lower.is_in([*_YES, *_NO]).all()).item():
        raised = filled.filter(lower.is_in(_YES))
    elif filled.select(pl.col("value").str.contains(_NUMBER).all()).item() and not re.search(
        r"(?i)(at|date|time|datum)$", column.strip()
    ):
        # An amount that was refunded, a number of returned pieces: no mark of a row.
        return None
    elif filled["value"].len() <= MOST_VALUES and filled.select(pl.col("value").str.contains(_SALE).any()).item():
        raised = filled.filter(~pl.col("value").str.contains(_SALE))
    else:
        # A moment or a reason stands where something happened to the row.
        rows = int(filled["rows"].sum())
        return RowKinds(column, {"filled": rows}, rows, "flag") if empty else None
    rows = int(raised["rows"].sum())
    return RowKinds(column, _as_dict(raised), rows, "flag") if rows else None


def _as_dict(counted: pl.DataFrame) -> dict[str, int]:
    return dict(counted.select("value", "rows").iter_rows())


def told_by_night(frame: pl.LazyFrame, used: Collection[str]) -> str | None:
    """What the columns of a delivery say whose headers alone promise to tell sales from other rows.

    Args:
        frame: The delivery as it is.
        used: Headers that mean something else already.

    Returns:
        Column -> value -> rows, as JSON; None if there is nothing to tell.
    """
    schema = frame.collect_schema()
    columns = [name for name, dtype in schema.items() if name not in used and telling(name) and _may_tell(name, dtype)]
    kinds = [judge(name, counted) for name, counted in value_counts(frame, columns).items()] if columns else []
    told = {one.column: _without_data(one.counts) for one in kinds if one is not None and one.rows}
    return json.dumps(told, ensure_ascii=False) if told else None


def _without_data(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by the values that say what a row is; messages repeat no other."""
    plain = re.compile(rf"(?i)({_WORDS})|filled|[-+]?\w|{'|'.join(_YES)}")
    told = Counter[str]()
    for value, rows in counts.items():
        told[value if plain.fullmatch(value) or re.match(_SALE, value) else _OTHERS] += rows
    others = told.pop(_OTHERS, 0)
    return dict(told) | ({_OTHERS: others} if others else {})


def together(told: Iterable[str]) -> str:
    """What several deliveries say, added up, in words; each as from :func:`told_by_night`."""
    counts: dict[str, Counter[str]] = {}
    for text in told:
        for column, values in json.loads(text).items():
            counts.setdefault(column, Counter()).update(values)
    return "; ".join(
        f"{column!r} says {', '.join(f'{value} {rows:,}' for value, rows in values.items())}"
        for column, values in counts.items()
    )
