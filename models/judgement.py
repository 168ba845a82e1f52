"""The answer to one question about the data: enough, doubtful or not enough, and what to do."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "doubtful", "not enough"]


@dataclass(frozen=True)
class Judgement:
    """The answer to one question.

    Attributes:
        item: What was looked at.
        verdict: Whether it is enough.
        figure: What was found.
        limit: What would be good.
        advice: What to do; empty where it is good.
    """

    item: str
    verdict: Verdict
    figure: str
    limit: str
    advice: str = ""


def graded(item: str, value: float, limits: tuple[float, float], figure: str, limit: str, advice: str) -> Judgement:
    """Not enough below the first limit, doubtful below the second; advice is given where it is not good."""
    verdict: Verdict = "not enough" if value < limits[0] else "doubtful" if value < limits[1] else "good"
    return Judgement(item, verdict, figure, limit, advice if verdict != "good" else "")
