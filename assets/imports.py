"""Imports of large libraries without what they load beside, wherever it happens to be installed, for nobody."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Iterator[None]:
    """Let imports go on as if a package were not installed, unless it is loaded already.

    MLflow and Great Expectations import PySpark where they find it: seconds, and words about pandas, in every night.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # (Python's own mark of a module that cannot be imported)
    try:
        yield
    finally:
        del sys.modules[package]
