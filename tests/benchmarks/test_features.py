"""What is compared for speed is the same in every way of computing it."""

from benchmarks.features import alike, stored


def test_duckdb_and_pandas_tell_the_same_features(tmp_path):
    stored(5_000, tmp_path / "days.parquet")
    alike(tmp_path / "days.parquet")
