"""MBG/NBD and BG/NBD find the published parameters, and their probability of silence is how often silence comes."""

import zlib
from base64 import b85decode
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mbg_nbd import MbgNbd, fit_mbg_nbd

CDNOW = Path("../shared/data/cdnow.parquet")
CUT = date(1997, 9, 30)

# Which customers of the master file are the 1/10 sample of Fader, Hardie and Lee (2005): steps from id to id.
SAMPLE = (
    "c-kG7*>c1>4nvEJR*KYScapkys^<T{a?taXl-;%@-~hCS{HNReBcjb`Qta-DbMy49$+tF%_t|Rn-(ZgzOL@z`g=e!n*4mfUIko&Aere|u>6oqg!w"
    "=1IE|<cAx0HBeQzxHNwajF_%puNYN~*rMtQ39dqB7aAxN0jkGb!!f%FNj$u{>=rvFz7{!rB@$a{MjPLo*fObmqO}N@7~<9-irMB>LsmslIhe=P0o"
    "Vr)asPte$;7&st+Wwd$*kebLFi);(#Bk^=8ODw0xREWC`nX#VJ>RE>h4t53d0gR)v3FOMOkyK-548fmNLF>cya!gwD1msWiCxO7cBY0Q_WHHu?Br"
    "K2^@a@~@XR@*o6xXJcsEvC2RdRI%@us69=+c<69XIHH=5^k)6!^QUeBT{)t<Pi*6I<xEDI$(z+&&;EhMu!sg{3H&TjZ1km@4R$CONFws-dPiSPNn"
    "B~cdoB)#li4nO5P>g56iE-t;L*)lR)_?9C1Ua^m#^$+iRC5r9w}8)|oqGFJM6R==p<FYnGlyDaxxvZ&7FZq_$#P!@Z&Zyo(>s*7N+ykzL-gdgi6#"
    "(%(<xTDj(-S<lzhF@3oVcv*Xqe{*d-RZAu;VT=<GQd#<1sgcI9aHzRf>$hTM`@+f=nVZbl@JzkMX}=4%erv2Z22n0?KegTcA`@ag2y9>(4l_N2ZY"
    "yd2+egK+hgY7X%tz@brZK~nQl^*D(iBTO!EsBLp$)t!@6^(Y_Q?Qas{bbU4_R2&)Hi?u;CzqiFFk8d86UA#z^jf-ZKhUhO;X6xEIGj3TR<NooO=h"
    "O*=U-|Kn!8bxB|q*lLyK1eKwc;136P`d9<Bv1C(9r-hSq|jz2nL^H5rrd_3y14qjn{;r(8pzXOkwI-NT_$ttPj!Z}YXmia`LTo({32as%?jk7p>?"
    "UsoXrFElpq11-PzYp~BpN~Xs>y!O=r<@&aMCZ^Rx*^tKd+?kw@zEqLd{1ER)mywi_-qef0};VC?8&$t+0Ia{C3yWNAVZoA?%(9-F0Lu10N_+>Zz;"
    "#oUMYU`K`%6gcW`Ya1e9y*ip&yr(FP=KI2VmO*9G4V#~5BF9^y59#1xt(h#iY<;8$15U9KXCcSpXL#o%eLXjQ0d?ow^hLojiIx&^LsP}%R9?u0FB"
    "m5U3dBrsizrgkc4GWwFWyTP?FKU>Hk^^{hwrSr>vHgF?PbG^kz6x&p7GKG8wy8Vy4iT|K&QPY#yzJ1!$^alhHJTMlR%Sby)6s_Z%pd0+qJ8KWSt?"
    "e^LK|}T=d`;wCc++4F`gRD?ej-{;k<ozxOxJ_vJJw8T&fToEVQu7gc95g3M<}OQc}3Q$!Xx>Fs4t=Ob}8Ba=0y&@_VmEdwU8F{b-K2`Em!KfXslt"
    "DN`pRkaxb4+<e!;!5{3)*SrGcr_FNegXhIRo5~F~#g-e3LfgSX-v8}j!pmPMnX@H<-ego65)(k(kdPPvrDtI*pCx_Snv-*vttEM9#a5I~4nQE)mf"
    "d;Gy;p8uwK)h8st<SM#!_{xfekLaH!jL)=KHM;C!96S2(PJS}=1}Xm0tOe+j@~d2D6t|Se$tNGgq!<YS?BfQ$VP9g+1QwpjT`TRIl&i1)IqPw7=9"
    "qQbW9Gc6ez8cCZlvv{slw1VC<nP11)zPg9QujzBD5;`}r}!7lq4L056r@16j}f0HPK5+X40?A8A~wE^oDK`i`h)Iob)Od3fNHp<~NPK%fI`Pb59?"
    "O+tk3i8I$X5WTkP$cM)li7K)Gyysq`6^wRN&fTU4_N7Y0aQHaJXrL=x3qB>Zu)a)4_h5)MP#Qi?LZ|nv5V;{43m+@!C!i|q{{s?XToM"
)

positive = st.floats(0.05, 50)
horizons = st.floats(0.1, 500)


@st.composite
def models(draw):
    return MbgNbd(draw(positive), draw(positive), draw(positive), draw(positive), draw(st.booleans()))


@st.composite
def buyers(draw):
    size = draw(st.integers(1, 20))
    repeats = np.array(draw(st.lists(st.integers(0, 60), min_size=size, max_size=size)), float)
    age = np.array(draw(st.lists(st.floats(1, 1000), min_size=size, max_size=size)))
    share = np.array(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    return repeats, np.where(repeats > 0, share * age, 0.0), age


def simulated(model, count, span, seed):
    """Purchase times of a population by the story of the model; infinite once a customer has left."""
    random = np.random.default_rng(seed)
    rate = random.gamma(model.r, 1 / model.alpha, count)
    leaving = random.beta(model.a, model.b, count)
    now = np.zeros(count)
    here = random.random(count) >= leaving if model.leaves_at_once else np.ones(count, bool)
    times = [now.copy()]
    while np.isfinite(now).any():
        now = np.where(here, now + random.exponential(1 / rate), np.inf)
        now[now > span] = np.inf
        times.append(now.copy())
        here &= np.isfinite(now) & (random.random(count) >= leaving)
    return np.column_stack(times)


def observed(times, night):
    seen = times <= night
    return seen.sum(1) - 1.0, np.where(seen, times, 0).max(1), np.full(len(times), float(night))


@pytest.fixture(scope="module")
def weekly():
    if not CDNOW.exists():
        pytest.skip("the CDNOW master file is not here")
    ids = np.cumsum(np.frombuffer(zlib.decompress(b85decode("".join(SAMPLE))), np.uint8), dtype=np.int64)
    past = (
        pl.read_parquet(CDNOW)
        .filter(pl.col("customer_id").is_in([f"{number:05d}" for number in ids]), pl.col("timestamp") <= CUT)
        .group_by("customer_id")
        .agg(
            repeats=pl.col("timestamp").n_unique() - 1.0,
            last=(pl.col("timestamp").max() - pl.col("timestamp").min()).dt.total_days() / 7,
            age=(pl.lit(CUT) - pl.col("timestamp").min()).dt.total_days() / 7,
        )
        .sort("customer_id")
    )
    assert past.height == 2357
    return tuple(past[name].to_numpy() for name in ("repeats", "last", "age"))


def test_bg_nbd_finds_the_published_estimates_of_cdnow(weekly):
    model = fit_mbg_nbd(*weekly, leaves_at_once=False)
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.001)
    assert model.log_likelihood(*weekly).sum() == pytest.approx(-9582.4, abs=0.1)


def test_mbg_nbd_finds_the_estimates_of_cdnow(weekly):
    model = fit_mbg_nbd(*weekly)
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=0.001)
    assert model.log_likelihood(*weekly).sum() == pytest.approx(-9582.1, abs=0.1)


def test_the_unit_of_time_changes_only_the_scale(weekly):
    repeats, last, age = weekly
    weeks, days = fit_mbg_nbd(repeats, last, age), fit_mbg_nbd(repeats, 7 * last, 7 * age)
    assert (days.r, days.alpha / 7, days.a, days.b) == pytest.approx((weeks.r, weeks.alpha, weeks.a, weeks.b), rel=1e-4)


@pytest.mark.parametrize(
    ("model", "horizon", "expected"),
    [
        # r = a = b = 1, alpha = T = H: left with odds (a / b) 2 = 2, else silent with probability 2 / 3.
        (MbgNbd(1, 10, 1, 1), 10, 2 / 3 + 1 / 3 * 2 / 3),
        # Under BG/NBD nobody leaves before the second purchase.
        (MbgNbd(1, 10, 1, 1, leaves_at_once=False), 10, 2 / 3),
        (MbgNbd(2, 10, 1, 1, leaves_at_once=False), 20, 1 / 4),
    ],
)
def test_who_bought_once_is_silent_by_the_formula(model, horizon, expected):
    silent = model.no_purchase(np.zeros(1), np.zeros(1), np.array([10.0]), horizon)
    assert silent[0] == pytest.approx(expected)


@pytest.mark.parametrize("leaves_at_once", [True, False])
def test_silence_comes_as_often_as_predicted(leaves_at_once):
    model = MbgNbd(1.2, 8.0, 0.8, 2.5, leaves_at_once)
    times = simulated(model, 40_000, 60.0, seed=3)
    repeats, last, age = observed(times, 40.0)
    silent = (times <= 60).sum(1) == repeats + 1
    predicted = model.no_purchase(repeats, last, age, 20.0)
    for group in (*(repeats == x for x in range(5)), repeats > 4, last > 30, (last < 10) & (repeats > 0)):
        error = np.sqrt(0.25 / group.sum())
        assert group.sum() > 300
        assert abs(silent[group].mean() - predicted[group].mean()) < 4 * error


def test_a_population_gives_its_parameters_back():
    truth = MbgNbd(1.2, 8.0, 0.8, 2.5)
    past = observed(simulated(truth, 40_000, 60.0, seed=5), 60.0)
    found = fit_mbg_nbd(*past)
    assert (found.r, found.alpha, found.a, found.b) == pytest.approx((1.2, 8.0, 0.8, 2.5), rel=0.15)
    assert found.log_likelihood(*past).sum() >= truth.log_likelihood(*past).sum()


@given(models(), buyers(), horizons)
@settings(max_examples=60, deadline=None)
def test_silence_is_a_probability_that_never_rises_by_waiting_longer(model, past, horizon):
    near, far = model.no_purchase(*past, horizon), model.no_purchase(*past, 2 * horizon)
    assert ((near > 0) & (near <= 1) & (far <= near + 1e-12)).all()


@given(models(), buyers(), horizons)
@settings(max_examples=60, deadline=None)
def test_silence_is_the_ratio_of_two_likelihoods(model, past, horizon):
    repeats, last, age = past
    later = model.log_likelihood(repeats, last, age + horizon) - model.log_likelihood(repeats, last, age)
    assert np.log(model.no_purchase(*past, horizon)) == pytest.approx(later, abs=1e-7)


@given(buyers(), st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_the_customers_changes_nothing(past, random):
    order = list(range(len(past[0])))
    random.shuffle(order)
    assert fit_mbg_nbd(*past) == fit_mbg_nbd(*(each[order] for each in past))


def test_a_population_without_spread_still_fits():
    model = fit_mbg_nbd(np.zeros(50), np.zeros(50), np.full(50, 30.0))
    silent = model.no_purchase(np.zeros(1), np.zeros(1), np.array([30.0]), 30)
    assert np.isfinite([model.r, model.alpha, model.a, model.b]).all()
    assert 0.9 < silent[0] <= 1


def test_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one customer"):
        fit_mbg_nbd(np.zeros(0), np.zeros(0), np.zeros(0))
