"""exp(mu + sigma * z), z the normal quantile of the word's uniform."""

from tests.reference._detmath import det_exp, det_normal_quantile
from tests.reference.open_uniform import open52


def lognormal_factor(x, mu, sigma):
    return [
        det_exp(m + s * det_normal_quantile(open52(word))) for word, m, s in zip(x, mu, sigma, strict=True)
    ]
