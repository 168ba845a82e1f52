"""How likely a customer buys again, judged only from when and how often everybody bought.

MBG/NBD (Batislam, Denizel and Filiztekin 2007) and its parent BG/NBD (Fader, Hardie and Lee 2005). A customer buys at
random with a rate lambda ~ Gamma(r, alpha) and may leave after any purchase with probability p ~ Beta(a, b); under
MBG/NBD after the first one too, under BG/NBD only from the second on. With x repeat purchases, the last one t_x after
the first and the first one T before the night, the likelihood of a history (their equation 3) is

    L(x, t_x, T) = Gamma(r+x) alpha^r / Gamma(r) * B(a, b+n) / B(a, b) * [ (alpha+T)^-(r+x) + d (alpha+t_x)^-(r+x) ]

where n = x + 1 and d = a / (b+x) under MBG/NBD, n = x and d = [x > 0] a / (b+x-1) under BG/NBD: the first term in the
brackets is a customer still there at T, the second one who left after the last purchase. To buy nothing in (T, T+H] is
to have the same x and t_x when one looks again at T+H, so that the probability of churn needs no integral:

    P(no purchase in (T, T+H] | x, t_x, T) = L(x, t_x, T+H) / L(x, t_x, T)
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, gammaln, psi

Vector: TypeAlias = NDArray[np.float64]

_BOUNDS = (-8.0, 12.0)  # of the logarithms: keeps a population without spread from running to infinity


@dataclass(frozen=True)
class MbgNbd:
    """Four numbers that describe a whole population of buyers.

    Attributes:
        r: shape of the purchase rates.
        alpha: scale of the purchase rates, in days.
        a: weight on leaving after a purchase.
        b: weight on staying after a purchase.
        leaves_at_once: a customer may leave after the first purchase (MBG/NBD) or not (BG/NBD).
    """

    r: float
    alpha: float
    a: float
    b: float
    leaves_at_once: bool = True

    def no_purchase(self, repeats: Vector, last: Vector, age: Vector, horizon: float) -> Vector:
        """Probability of no purchase within `horizon` days after the night, one per customer.

        Args:
            repeats: purchase days after the first one (x).
            last: days from the first to the last purchase day (t_x).
            age: days from the first purchase day to the night (T).
            horizon: days ahead (H).
        """
        left = expit(self._left(repeats, last, age))
        silent = (self.r + repeats) * np.log((self.alpha + age) / (self.alpha + age + horizon))
        return np.asarray(left + (1 - left) * np.exp(silent))

    def log_likelihood(self, repeats: Vector, last: Vector, age: Vector) -> Vector:
        """Logarithm of L(x, t_x, T), one per customer."""
        stays = repeats + self.leaves_at_once
        power = self.r + repeats
        purchases = gammaln(power) - gammaln(self.r) + self.r * np.log(self.alpha)
        survival = gammaln(self.b + stays) - gammaln(self.b) + gammaln(self.a + self.b)
        survival -= gammaln(self.a + self.b + stays)
        still_there = -power * np.log(self.alpha + age)
        return np.asarray(purchases + survival + still_there + np.logaddexp(0, self._left(repeats, last, age)))

    def _left(self, repeats: Vector, last: Vector, age: Vector) -> Vector:
        """Log-odds of having left by the night: the second term of the brackets against the first."""
        stays = repeats + self.leaves_at_once
        odds = np.log(self.a) - np.log(np.where(stays > 0, self.b + stays - 1, np.inf))
        return np.asarray(odds + (self.r + repeats) * np.log((self.alpha + age) / (self.alpha + last)))

    def _gradient(self, repeats: Vector, last: Vector, age: Vector) -> Vector:
        """Derivatives of the log likelihood by the logarithms of r, alpha, a and b; shape (4, customers)."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        stays = repeats + self.leaves_at_once
        left = expit(self._left(repeats, last, age))
        leaving = np.log(alpha + last) * left + np.log(alpha + age) * (1 - left)
        by_r = psi(r + repeats) - psi(r) + np.log(alpha) - leaving
        by_alpha = r / alpha - (r + repeats) * (left / (alpha + last) + (1 - left) / (alpha + age))
        by_a = psi(a + b) - psi(a + b + stays) + left / a
        by_b = psi(b + stays) - psi(b) + psi(a + b) - psi(a + b + stays)
        by_b = by_b - left / np.where(stays > 0, b + stays - 1, np.inf)
        return np.stack([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


def fit_mbg_nbd(repeats: Vector, last: Vector, age: Vector, *, leaves_at_once: bool = True) -> MbgNbd:
    """The parameters that make the observed histories most likely.

    Args:
        repeats: purchase days after the first one (x), per customer.
        last: days from the first to the last purchase day (t_x).
        age: days from the first purchase day to the night (T).
        leaves_at_once: MBG/NBD if true, BG/NBD if false.

    Raises:
        ValueError: nobody has a history.
    """
    if len(repeats) == 0:
        raise ValueError("MBG/NBD needs at least one customer with a purchase, and there is none: widen the lookback")
    # Customers with the same three numbers are the same customer to this model: a million shrink to thousands.
    same = pl.DataFrame({"x": repeats, "t": last, "T": age}).group_by("x", "t", "T").len().sort("x", "t", "T")
    x, t, big_t, count = (same[name].to_numpy().astype(np.float64) for name in ("x", "t", "T", "len"))
    count /= count.sum()
    unit = max(float(np.average(big_t, weights=count)), 1.0)

    def loss(logs: Vector) -> tuple[float, Vector]:
        r, alpha, a, b = np.exp(logs).tolist()
        model = MbgNbd(r, alpha, a, b, leaves_at_once)
        likelihood = model.log_likelihood(x, t / unit, big_t / unit)
        return -float(count @ likelihood), -(model._gradient(x, t / unit, big_t / unit) @ count)

    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[_BOUNDS] * 4, options={"ftol": 1e-13})
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return MbgNbd(r, alpha * unit, a, b, leaves_at_once)
