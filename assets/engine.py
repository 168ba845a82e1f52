"""Where features and scores are computed: in this process, in parts one after another, or on Spark."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Engine:
    """What carries the rows; what is computed is the same everywhere.

    Attributes:
        kind: ``polars`` computes in the process of the run, ``spark`` on a cluster; the latter needs the extra
            ``spark`` and a folder of the lake that every executor sees under the same path.
        buckets: Into how many parts the customers are cut. Polars computes them one after another, each in a share of
            the memory; Spark on its executors, where 1 leaves the number to Spark.
        master: Spark: ``local[*]``, ``spark://host:7077``, ``yarn``, ``k8s://…``, or ``sc://host`` for a server of
            Spark Connect. One with a token only from the environment, ``CHURN__ENGINE__MASTER``.
        options: Spark: any of its own, such as ``"spark.executor.memory" = "8g"``; they win over those set here.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    kind: Literal["polars", "spark"] = "polars"
    buckets: int = 1
    master: str = field(default="local[*]", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no number of parts.

        Raises:
            ValueError: Names the setting.
        """
        if self.buckets < 1:
            raise ValueError(f"buckets is {self.buckets}: it must be 1 or more")
