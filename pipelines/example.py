"""The example's deliveries: real transactions, brought from the package index and checked by their digest."""

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import polars as pl

WHEEL = "lifetimes==0.11.3"
SHA256 = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
_MEMBER = "lifetimes/datasets/CDNOW_master.txt"


class ExampleError(Exception):
    """The example data could not be brought; the message says what to do."""


def bring_cdnow(folder: Path) -> Path:
    """Write the CDNOW transactions (Fader and Hardie 2001) as one CSV delivery.

    The wheel is read as an archive; nothing of the package is installed or imported.

    Returns:
        The file: 69,659 rows of customer_id, date, quantity, amount.

    Raises:
        ExampleError: If the package index cannot be reached or sends another file than the known one.
    """
    target = folder / "cdnow.csv"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory() as scratch:
        # Nothing but this very wheel: the index may have a source archive of that name, which would be run to be built.
        asked = Path(scratch, "asked.txt")
        asked.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="ascii")
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", scratch, "-r", f"{asked}"]
        if (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:  # noqa: S603
            raise ExampleError(f"{WHEEL} could not be downloaded: {done.stderr.strip().splitlines()[-1]}")
        content = next(Path(scratch).glob("*.whl")).read_bytes()
    lines = zipfile.ZipFile(io.BytesIO(content)).read(_MEMBER).decode("ascii").splitlines()
    # Four columns of fixed meaning between runs of blanks; ids keep their leading zeros because all is text.
    words = pl.DataFrame({"line": lines[1:]}).select(pl.col("line").str.extract_all(r"\S+").alias("words"))
    names = ("customer_id", "date", "quantity", "amount")
    table = words.select(pl.col("words").list.get(place).alias(name) for place, name in enumerate(names))
    folder.mkdir(parents=True, exist_ok=True)
    table.write_csv(target)
    return target
