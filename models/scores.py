"""How likely each active customer of a night is to leave, by what serves and by every rival of it."""

import dataframely as dy


class ChurnScore(dy.Schema):
    """One active customer of a night; a model or rule that the data did not support is null throughout.

    Where churn is by contract, ``mbg_nbd`` is null and ``renewal_rate`` stands besides.
    """

    night = dy.Date(primary_key=True)
    customer_id = dy.String(primary_key=True)
    churn_probability = dy.Float64(nullable=False, min=0, max=1)
    committee = dy.Float64(nullable=True, min=0, max=1)
    recency = dy.Float64(nullable=True, min=0, max=1)
    frequency = dy.Float64(nullable=True, min=0, max=1)
    logistic_rfm = dy.Float64(nullable=True, min=0, max=1)
    mbg_nbd = dy.Float64(nullable=True, min=0, max=1)
    model_version = dy.String(nullable=False)
