"""Every benchmark of speed, one after another, each in a process of its own, and one table at the end.

Run ``python -m benchmarks`` or ``make bench``. All figures go to a file as well. The exit code says whether all ran,
not whether all that is asked was kept: that stands in the table. ``--note`` keeps what a change did to the ratios, a
line for each row that is asked for, in `benchmarks/history.jsonl`.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.record import arguments, show

SPEED = (
    "features",
    "validation",
    "startup",
    "nightly",
    "reasons",
    "history",
    "publication",
    "policy",
)
"""The modules with a number to reach; those of quality have peers and data of their own."""
HISTORY = Path(__file__).with_name("history.jsonl")


def lines(records: Sequence[Mapping[str, Any]], change: str, past: str) -> Iterator[str]:
    """One line for each ratio that is asked for: what changed, the last ratio on record and the present one.

    Args:
        records: What the benchmarks wrote.
        change: What was done.
        past: The history so far, which is looked up by benchmark, row and sizes.
    """
    last = {_key(each): each["after"] for each in map(json.loads, past.splitlines())}
    today = datetime.now(UTC).date().isoformat()
    for record in records:
        for row in record["rows"]:
            if row["asked"] is not None:
                of = {"benchmark": record["benchmark"], "what": row["what"], "sizes": row["sizes"]}
                ratios = {"before": last.get(_key(of)), "after": round(row["median"], 3)}
                yield json.dumps({"date": today, "change": change, **of, **ratios})


def _key(line: Mapping[str, Any]) -> tuple[object, ...]:
    return line["benchmark"], line["what"], tuple(line["sizes"].items())


def main() -> None:
    """Run, print, write."""
    parser = arguments(__doc__)
    parser.set_defaults(json=Path("benchmarks.json"))
    parser.add_argument("--only", nargs="+", default=SPEED, choices=SPEED, help="of the benchmarks")
    parser.add_argument("--note", help="what was changed: keeps the ratios in benchmarks/history.jsonl")
    given = parser.parse_args()
    records, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only:
            file, start = Path(folder) / f"{name}.json", time.perf_counter()
            options = ("--scale", given.scale, "--repetitions", given.repetitions, "--json", file)
            command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, options)]
            ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
            if ended.returncode:
                failed.append(name)
            else:
                records.append(json.loads(file.read_text(encoding="utf-8")))
            print(f"{name}: {'FAILED after' if ended.returncode else 'took'} {time.perf_counter() - start:.0f} s")
    show(records)
    given.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    if given.note:
        past = HISTORY.read_text(encoding="utf-8") if HISTORY.exists() else ""
        HISTORY.write_text(past + "".join(f"{line}\n" for line in lines(records, given.note, past)), encoding="utf-8")
    if failed:
        sys.exit(f"{', '.join(failed)} did not run to the end; see above")


if __name__ == "__main__":
    main()
