"""What `churn ui` shows beside Dagster and MLflow."""

import socket
import subprocess
import time
from datetime import date
from urllib.error import URLError
from urllib.request import urlopen

import polars as pl

from assets.verdict import validate
from models.expectations import row_count
from pipelines.servers import commands
from pipelines.settings import load_settings

SETTINGS = '[source]\npath = "."\n[source.columns]\ncustomer_id = "id"\ntimestamp = "day"\n'


def test_the_pages_of_judged_nights_are_reached_from_the_address_in_their_checks(tmp_path):
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    settings = load_settings(tmp_path / "churn.toml")
    docs = settings.beside(settings.lake.data_docs)
    validate(
        pl.LazyFrame({"a": [1]}), [row_count("x", "WARN", "s", 1)], table="t", night=date(2024, 5, 1), docs_root=docs
    )
    assert commands(settings, 3000)["Data Docs"][3] == settings.lake.data_docs_url.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(commands(settings, port - 2)["Data Docs"], stderr=subprocess.DEVNULL)
    try:
        assert b"<h1>t, night 2024-05-01</h1>" in get(f"http://127.0.0.1:{port}/t/2024-05-01.html")
        assert b't/2024-05-01.html"' in get(f"http://127.0.0.1:{port}/")
    finally:
        # A worker of pytest-xdist ignores Ctrl-C, Dagster treats SIGTERM likewise, and children inherit both.
        server.kill()
        server.wait(10)


def get(url):
    for _ in range(200):
        try:
            with urlopen(url, timeout=5) as page:
                return page.read()
        except URLError:
            time.sleep(0.05)
    raise TimeoutError(url)
