"""What a benchmark hands in is told whole, judged by its median, and remembered line by line."""

import json

from benchmarks.__main__ import lines
from benchmarks.record import Row, paired, report


def test_the_median_of_the_pairs_is_judged_in_the_direction_that_is_asked():
    fast = Row("a / b", {"rows": 2}, own=[1, 9, 3], other=[2, 9, 3], asked=1.0)
    assert fast.ratios == [0.5, 1, 1]
    assert fast.verdict == "kept"
    assert Row("a / b", {}, [3, 3], [2, 2], asked=1.4).verdict == "EXCEEDED"
    assert Row("a / b", {}, [3, 3], [2, 2], asked=1.4, at_least=True).verdict == "kept"
    assert Row("a / b", {}, [3], [2]).verdict == "not asked"


def test_ways_run_in_turns_and_the_first_round_is_thrown_away():
    calls: list[str] = []
    costs = paired({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repetitions=2)
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert len(costs["a"].wall) == len(costs["b"].cpu) == 2


def test_json_and_history_hold_what_was_measured(tmp_path, capsys):
    rows = [Row("a / b", {"rows": 2}, [1.0], [4.0], asked=0.3), Row("a / c", {"rows": 2}, [1.0], [1.0])]
    report("example", rows, tmp_path / "found.json")
    assert "kept" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["rows"][0]["ratios"] == [0.25]
    assert {"machine", "load", "versions"} < found.keys()
    (line,) = lines([found], "first", "")
    assert json.loads(line)["before"] is None
    (again,) = lines([found], "second", line)
    assert {"change": "second", "before": 0.25, "after": 0.25}.items() <= json.loads(again).items()
