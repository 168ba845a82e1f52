"""The reasons that are given for a risk, and how each is said in English and in German."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, eq=False)
class Group:
    """Features that say the same thing to a human being.

    Attributes:
        features: pattern of their names.
        variants: codes with the condition under which they are true of a customer; the first true one is
            given. A condition on an absent or unknown feature is not true; the last has none.
    """

    features: str
    variants: tuple[tuple[str, pl.Expr | None], ...]


_HABIT = r"(_per_order|_share)?(_\d+d)?"

GROUPS = (
    Group(
        r"recency_days|quiet_share|overdue_\w+|gap_longer_share|return_share",
        (("overdue", pl.col("recency_days") > pl.col("gap_median_days")), ("long_silence", None)),
    ),
    Group(
        r"purchase_days|orders(_per_30d|_\d+d|_trend_\d+d)?",
        (
            ("bought_once", pl.col("purchase_days") == 1),
            ("buys_less_often", pl.col("orders_now") < pl.col("orders_before")),
            ("buys_rarely", None),
        ),
    ),
    Group(
        r"spend(_\d+d|_trend_\d+d)?",
        (("spends_less", pl.col("spend_now") < pl.col("spend_before")), ("spends_little", None)),
    ),
    Group(
        r"gap_\w+",
        (
            ("slowing_down", pl.col("gap_recent_ratio") > 1),
            ("irregular", pl.col("gap_variation_ratio") > 1),
            ("long_breaks", None),
        ),
    ),
    Group(r"tenure_days", (("short_history", pl.col("tenure_days") <= 365), ("long_history", None))),
    Group(rf"(lines|quantity|spend){_HABIT}", (("small_baskets", None),)),
    Group(rf"(returns|refunds){_HABIT}", (("more_returns", pl.col("returns_share") > 0), ("no_returns", None))),
    Group(rf"discount{_HABIT}", (("discount_only", pl.col("discount_share") > 0), ("no_discounts", None))),
    Group(
        r"days_to_expiry|term_\w+|renewals|lapses",
        (("lapsed_before", pl.col("lapses") > 0), ("first_term", pl.col("renewals") == 0), ("contract_ends", None)),
    ),
    Group(r"auto_renew", (("renewal_off", pl.col("auto_renew") == 0), ("renewal_setting", None))),
    Group(
        r"renewal_(lead|overdue)_\w+|early_renewal_share",
        (("renewal_overdue", pl.col("renewal_overdue_days") > 0), ("renewal_timing", None)),
    ),
    Group(r"plan_changes", (("plan_changed", pl.col("plan_changes") > 0), ("same_plan", None))),
    Group(r"\w+_renewal_share", (("similar_contracts", None),)),
    Group(r"input_\w+", (("on_record", None),)),
    Group(r"product\w+", (("product_range", None),)),
    Group(r"(categories|category_)\w*", (("category_range", None),)),
    Group(
        r"(channels|channel_)\w*",
        (("changed_channel", pl.col("channel_main_quiet_days") > 0), ("channel_habit", None)),
    ),
    Group(r"first_(lines|quantity|spend|discount_share)", (("first_order", None),)),
    Group(r"(main|first)_(category|channel)_return_share", (("same_taste", None),)),
    Group(r"\w+_return_share|return_chance", (("similar_customers", None),)),
    Group(r"\w+_season", (("season", None),)),
    Group(r".*", (("other", None),)),
)
"""In this order: a feature belongs to the first group that its name fits, and equals are given in it."""

TEXTS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "overdue": ("{recency_days} days since the last order; usually every {gap_median_days} days",),
        "long_silence": ("{recency_days} days since the last order", "No order for a long time"),
        "bought_once": ("Has bought only once so far",),
        "buys_less_often": ("{orders_now} orders in the last {span} days, {orders_before} in the {span} days before",),
        "buys_rarely": (
            "Bought on {purchase_days} days in the {tenure_days} days as a customer",
            "Buys rarely",
        ),
        "spends_less": ("Spent {spend_now} in the last {span} days, {spend_before} in the {span} days before",),
        "spends_little": ("Spends {spend_per_order} per order", "Spends little"),
        "slowing_down": ("The latest breaks between orders were {gap_recent_ratio:1} times as long as usual",),
        "irregular": ("Orders at irregular intervals, the longest {gap_longest_days} days", "Orders irregularly"),
        "long_breaks": ("Usually {gap_median_days} days between orders", "Long breaks between orders"),
        "short_history": ("A customer for only {tenure_days} days",),
        "long_history": ("A customer for {tenure_days} days",),
        "small_baskets": (
            "A typical order is worth {spend_per_order}",
            "A typical order holds {lines_per_order:1} items",
            "Small baskets",
        ),
        "more_returns": ("Sent back {returns_share:%} % of the items",),
        "no_returns": ("Has never sent anything back, unlike many who stay",),
        "discount_only": ("Buys at a discount, {discount_share:%} % on average",),
        "no_discounts": ("Has not had a discount yet",),
        "contract_ends": (
            "Contract ends on {contract_end:date}; renewed {renewals} times before",
            "The contract ends soon",
        ),
        "first_term": ("Contract ends on {contract_end:date}; never renewed so far", "The first contract ends soon"),
        "lapsed_before": (
            "Contract ends on {contract_end:date}; let it run out before",
            "Let a contract run out before",
        ),
        "renewal_off": ("Renewal is off",),
        "renewal_setting": ("The setting of automatic renewal is like that of customers who left",),
        "renewal_overdue": (
            "Usually renews {renewal_lead_mean_days} days before the end; now {days_to_expiry} days are left",
        ),
        "renewal_timing": ("The times of earlier renewals are like those of customers who left",),
        "plan_changed": ("Has changed the plan {plan_changes} times",),
        "same_plan": ("Has never changed the plan",),
        "similar_contracts": (
            "Of contracts renewed as often, as long before their end, {similar_renewal_share:%} % were renewed",
            "Few contracts in this position are renewed",
        ),
        "on_record": ("What else is on record is like that of customers who did not come back",),
        "product_range": ("Different products bought so far: {products}", "Buys like customers with a narrow range"),
        "category_range": (
            "{category_main_share:%} % of the items come from one category",
            "Buys from few categories",
        ),
        "changed_channel": ("Last bought through another channel than usual",),
        "channel_habit": (
            "{channel_main_share:%} % of the items were bought through one channel",
            "Buys through few channels",
        ),
        "first_order": (
            "The first order was worth {first_spend}",
            "The first order held {first_lines} items",
            "Began like customers who did not come back",
        ),
        "same_taste": (
            "Of customers who mainly buy from the same category {main_category_return_share:%} % came back",
            "Of customers who mainly use the same channel {main_channel_return_share:%} % came back",
            "Few customers who buy the same come back",
        ),
        "similar_customers": (
            "Of customers as long silent, with as many purchase days, {similar_return_share:%} % came back",
            "Few customers so long silent, with so many purchase days, come back",
        ),
        "season": ("{orders_season} orders at this time last year",),
        "other": ("Behaves like customers who did not come back",),
    },
    "de": {
        "overdue": ("{recency_days} Tage seit der letzten Bestellung; sonst alle {gap_median_days} Tage",),
        "long_silence": ("{recency_days} Tage seit der letzten Bestellung", "Seit langem keine Bestellung"),
        "bought_once": ("Hat bisher nur einmal gekauft",),
        "buys_less_often": (
            "{orders_now} Bestellungen in den letzten {span} Tagen, {orders_before} in den {span} Tagen davor",
        ),
        "buys_rarely": ("Kaufte an {purchase_days} von {tenure_days} Tagen seit dem ersten Kauf", "Kauft selten"),
        "spends_less": ("Gab {spend_now} in den letzten {span} Tagen aus, {spend_before} in den {span} Tagen davor",),
        "spends_little": ("Gibt {spend_per_order} je Bestellung aus", "Gibt wenig aus"),
        "slowing_down": ("Die letzten Pausen zwischen Bestellungen waren {gap_recent_ratio:1}-mal so lang wie sonst",),
        "irregular": (
            "Bestellt unregelmäßig, die längste Pause dauerte {gap_longest_days} Tage",
            "Bestellt unregelmäßig",
        ),
        "long_breaks": ("Sonst {gap_median_days} Tage zwischen Bestellungen", "Lange Pausen zwischen Bestellungen"),
        "short_history": ("Erst seit {tenure_days} Tagen Kunde",),
        "long_history": ("Seit {tenure_days} Tagen Kunde",),
        "small_baskets": (
            "Eine übliche Bestellung ist {spend_per_order} wert",
            "Eine übliche Bestellung umfasst {lines_per_order:1} Artikel",
            "Kleine Warenkörbe",
        ),
        "more_returns": ("Schickte {returns_share:%} % der Artikel zurück",),
        "no_returns": ("Hat noch nie etwas zurückgeschickt, anders als viele, die bleiben",),
        "discount_only": ("Kauft mit Rabatt, im Mittel {discount_share:%} %",),
        "no_discounts": ("Hatte noch keinen Rabatt",),
        "contract_ends": (
            "Vertrag endet am {contract_end:date}; bisher {renewals}-mal verlängert",
            "Der Vertrag endet bald",
        ),
        "first_term": ("Vertrag endet am {contract_end:date}; noch nie verlängert", "Der erste Vertrag endet bald"),
        "lapsed_before": (
            "Vertrag endet am {contract_end:date}; ließ ihn schon einmal auslaufen",
            "Ließ einen Vertrag schon einmal auslaufen",
        ),
        "renewal_off": ("Die Verlängerung ist abgestellt",),
        "renewal_setting": ("Die Einstellung der Verlängerung gleicht der von Kunden, die gingen",),
        "renewal_overdue": (
            "Verlängert sonst {renewal_lead_mean_days} Tage vor dem Ende; jetzt sind es noch {days_to_expiry} Tage",
        ),
        "renewal_timing": ("Die Zeitpunkte früherer Verlängerungen gleichen denen von Kunden, die gingen",),
        "plan_changed": ("Hat den Tarif {plan_changes}-mal gewechselt",),
        "same_plan": ("Hat den Tarif nie gewechselt",),
        "similar_contracts": (
            "Von ebenso oft verlängerten Verträgen wurden so lange vor dem Ende {similar_renewal_share:%} % verlängert",
            "Wenige Verträge in dieser Lage werden verlängert",
        ),
        "on_record": ("Was sonst vermerkt ist, gleicht dem von Kunden, die nicht wiederkamen",),
        "product_range": (
            "Verschiedene Produkte bisher: {products}",
            "Kauft wie Kunden mit schmalem Sortiment",
        ),
        "category_range": (
            "{category_main_share:%} % der Artikel stammen aus einer Warengruppe",
            "Kauft aus wenigen Warengruppen",
        ),
        "changed_channel": ("Kaufte zuletzt über einen anderen Kanal als sonst",),
        "channel_habit": (
            "{channel_main_share:%} % der Artikel wurden über einen Kanal gekauft",
            "Kauft über wenige Kanäle",
        ),
        "first_order": (
            "Die erste Bestellung war {first_spend} wert",
            "Die erste Bestellung umfasste {first_lines} Artikel",
            "Begann wie Kunden, die nicht wiederkamen",
        ),
        "same_taste": (
            "Von Kunden mit derselben Haupt-Warengruppe kamen {main_category_return_share:%} % wieder",
            "Von Kunden mit demselben Hauptkanal kamen {main_channel_return_share:%} % wieder",
            "Wenige Kunden, die das Gleiche kaufen, kommen wieder",
        ),
        "similar_customers": (
            "Von Kunden mit ebenso langer Pause und ebenso vielen Kauftagen kamen {similar_return_share:%} % wieder",
            "Wenige Kunden mit so langer Pause und so vielen Kauftagen kommen wieder",
        ),
        "season": ("{orders_season} Bestellungen zu dieser Zeit im Vorjahr",),
        "other": ("Verhält sich wie Kunden, die nicht wiederkamen",),
    },
}
"""By language and code, the first text of which all numbers are known; `{x}` is rounded, `{x:1}` has one
decimal, `{x:%}` is a share in percent, `{x:date}` a day."""

SINGULAR = {
    "en": (r"(^|[^\d.])1 (day|order|item|time)s\b", "${1}1 $2"),
    "de": (r"(^|[^\d,])1 (Tag|Bestellung)(?:en|e)\b", "${1}1 $2"),
}
"""How a plural after a one becomes a singular."""
