"""What can be done for customers who may leave, what it costs, and how much of it a night can carry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from models.allocation import Limits


@dataclass(frozen=True)
class Action:
    """A retention measure.

    Attributes:
        name: its name in the table, `none` excepted.
        channel: how the customer is reached, for example email, phone or post; consent is given by channel.
        contact_cost: cost of one contact, in the currency of the amounts.
        offer_cost: cost of what is given to a customer who takes it.
        save_alpha: with `save_beta` the belief about the save rate, the share of leaving customers whom
            the action keeps: a Beta distribution with the mean alpha / (alpha + beta).
        save_beta: see `save_alpha`.
        windfall: share of the customers who would have stayed anyway and take the offer all the same.
        suits_reasons: reason codes of which a customer must have one; empty suits everybody.
        suits_segments: segments that the action is for; empty suits all.
        capacity: how many customers a night can carry; None is no limit.
        cooldown_days: for how long a customer is left in peace afterwards.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    channel: str
    contact_cost: float
    offer_cost: float = 0.0
    save_alpha: float = 1.0
    save_beta: float = 19.0
    windfall: float = 0.0
    suits_reasons: tuple[str, ...] = ()
    suits_segments: tuple[str, ...] = ()
    capacity: int | None = None
    cooldown_days: int = 30

    def __post_init__(self) -> None:
        """Refuse figures that make no action."""
        for name, value in (("contact_cost", self.contact_cost), ("offer_cost", self.offer_cost)):
            if value < 0:
                raise ValueError(f"action {self.name}: {name} is {value}; a cost is 0 or more")
        if min(self.save_alpha, self.save_beta) <= 0:
            raise ValueError(
                f"action {self.name}: save_alpha and save_beta are {self.save_alpha} and {self.save_beta}; "
                "both must be above 0, for example 2 and 18 for one saved in ten"
            )
        if not 0 <= self.windfall <= 1:
            raise ValueError(f"action {self.name}: windfall is {self.windfall}; a share lies between 0 and 1")
        if self.name in ("", "none") or not self.channel:
            raise ValueError(f"action {self.name!r} needs a name other than `none` and a channel")
        if (self.capacity or 0) < 0 or self.cooldown_days < 0:
            raise ValueError(f"action {self.name}: capacity and cooldown_days cannot be negative")

    @property
    def save_rate(self) -> float:
        """The expected share of leaving customers whom the action keeps."""
        return self.save_alpha / (self.save_alpha + self.save_beta)


ACTIONS = (
    Action(
        "service_call",
        "phone",
        8.0,
        save_alpha=4,
        save_beta=16,
        suits_segments=("save_now",),
        capacity=50,
        cooldown_days=90,
    ),
    Action(
        "personal_offer",
        "email",
        0.1,
        10.0,
        3,
        17,
        0.5,
        suits_segments=("save_now", "win_back_cheaply"),
        cooldown_days=60,
    ),
    Action(
        "bonus_points", "email", 0.1, 3.0, 2, 18, 0.4, suits_segments=("win_back_cheaply", "nurture"), cooldown_days=45
    ),
    Action(
        "invitation", "post", 2.5, save_alpha=2, save_beta=28, suits_segments=("save_now", "nurture"), cooldown_days=90
    ),
    Action(
        "newsletter",
        "email",
        0.02,
        save_alpha=1,
        save_beta=49,
        suits_segments=("win_back_cheaply", "nurture", "let_go"),
    ),
    Action("survey", "email", 0.02, save_alpha=1, save_beta=59, suits_reasons=("more_returns", "bought_once")),
)
"""Measures that most shops have: prices and save rates are starting points, to be set and then measured."""


@dataclass(frozen=True)
class Policy:
    """How the next action is chosen.

    Attributes:
        actions: the catalogue.
        budget: what the actions of a night may cost together; None is no limit.
        channel_capacity: how many customers a night can reach by a channel; a channel that is not named
            has no limit.
        contact_days: length of the contact window.
        patience_days: the window opens at the latest so many days after the night.
        learn: whether save rates move with what settled experiments show; else those of the catalogue stay.
        policy: "greedy" counts on the mean of what is believed of a save rate, "thompson" for some customers on a draw
            from it, anew each night, so that actions of which little is known are tried on them.
        explore: for which share of the customers "thompson" counts on the draw.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    actions: tuple[Action, ...] = ACTIONS
    budget: float | None = None
    channel_capacity: Mapping[str, int] = field(default_factory=dict)
    contact_days: int = 7
    patience_days: int = 14
    learn: bool = True
    policy: Literal["greedy", "thompson"] = "greedy"
    explore: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a catalogue that is ambiguous."""
        names = [action.name for action in self.actions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"actions names {', '.join(twice)} twice; every action needs its own name")
        if unknown := sorted(set(self.channel_capacity) - {action.channel for action in self.actions}):
            raise ValueError(f"channel_capacity names {', '.join(unknown)}, which no action uses")
        if (self.budget or 0) < 0:
            raise ValueError(f"budget is {self.budget}; it must be 0 or more, or left out for no limit")
        if not 0 <= self.explore <= 1:
            raise ValueError(f"explore is {self.explore}; a share of customers lies between 0 and 1")
        if self.contact_days < 1 or self.patience_days < 1:
            raise ValueError("contact_days and patience_days must be at least 1 day")

    @property
    def limits(self) -> Limits:
        """The limits of a night."""
        by_action = {("action", a.name): a.capacity for a in self.actions if a.capacity is not None}
        return Limits(by_action | {("channel", c): n for c, n in self.channel_capacity.items()}, self.budget)
