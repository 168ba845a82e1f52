"""In a year of simulated nights with reactions, knowing pays, and so does looking at more than the risk."""

from benchmarks.policy import lived, opened


def test_the_policy_earns_nearly_what_the_oracle_does_and_more_than_risk_alone():
    year = lived(opened(4000, 2), "policy", ["oracle", "risk alone"])
    policy, oracle, risk = (sum(year[name][6:]) for name in ("policy", "oracle", "risk alone"))
    assert 0.85 * oracle < policy < 1.02 * oracle
    assert policy > 1.15 * risk
