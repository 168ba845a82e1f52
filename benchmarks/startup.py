"""What a tiny night costs beside its libraries: the processor time of `churn run` over that of importing what it loads.

Run ``python -m benchmarks.startup``. A shop of some hundred customers whose champion is trained; each round runs its
next night in a process of its own and, in another, imports every module of other projects that such a night has loaded
at its end, and nothing else. A night that loaded more than it uses would look good here; that it does not is what
`tests/pipelines/test_start.py` holds it to.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from benchmarks.record import Row, arguments, report
from models.simulator import customers, transactions
from pipelines import ROOT

FIRST, DAYS = date(2024, 1, 1), 400
SETTINGS = """
[source]
path = "landing.csv"
[source.columns]
customer_id = "customer_id"
timestamp = "timestamp"
amount = "amount"
[churn]
horizon_days = 30
active_days = 120
"""
RUN = """
import sys
from pathlib import Path
from pipelines.cli import app
try:
    app(sys.argv[2:])
finally:
    ours = ("__main__", "pipelines", "assets", "models")
    others = [name for name in sys.modules if name.partition(".")[0] not in {*sys.stdlib_module_names, *ours}]
    Path(sys.argv[1]).write_text("\\n".join(others), encoding="utf-8")
"""
IMPORT = """
import sys
from importlib import import_module
from pathlib import Path
for name in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    try:
        import_module(name)
    except ImportError:  # made by a library while it loads, in no file of its own
        pass
"""
ASKED = 1.5


def seconds(*command: str | Path, home: Path) -> float:
    """Processor time of a command that succeeds."""
    before = getrusage(RUSAGE_CHILDREN)
    environment = os.environ | {"DAGSTER_HOME": f"{home}", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, *command], check=True, env=environment, cwd=home, stdout=subprocess.DEVNULL)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shop(folder: Path, size: int) -> Callable[[], float]:
    """A shop whose first night has run and trained; each call runs the next one and says what it cost."""
    sold = transactions(customers(size, seed=1), first_day=FIRST, days=DAYS, seed=1)
    sold.write_csv(folder / "landing.csv")
    (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    instance = (ROOT / "dagster.yaml").read_text(encoding="utf-8").replace(": .dagster", f": {folder}/.dagster")
    (folder / "dagster.yaml").write_text(instance, encoding="utf-8")
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    (folder / "import.py").write_text(IMPORT, encoding="utf-8")
    nights = (FIRST + timedelta(days=DAYS - 30 + number) for number in count())
    options = ("run", "--config", folder / "churn.toml", "--night")

    def night() -> float:
        return seconds(folder / "run.py", folder / "modules", *options, f"{next(nights)}", home=folder)

    night()
    return night


def main() -> None:
    """Measure and print."""
    given = arguments(__doc__).parse_args()
    size = round(500 * given.scale)
    nights, imports = list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="churn-startup-") as place:
        folder = Path(place)
        night = shop(folder, size)
        night()
        for turn in range(given.repetitions):
            ways = [(nights, night), (imports, lambda: seconds(folder / "import.py", folder / "modules", home=folder))]
            for kept, way in ways[:: 1 if turn % 2 else -1]:
                kept.append(way())
        modules = len((folder / "modules").read_text(encoding="utf-8").splitlines())
    row = Row(
        "CPU of a tiny night / of importing its libraries",
        {"customers": size, "modules": modules},
        nights,
        imports,
        ASKED,
        unit="CPU s",
    )
    report("startup", [row], given.json)


if __name__ == "__main__":
    main()
