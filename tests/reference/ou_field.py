"""z[0] = sigma * n[0]; z[t] = phi * z[t - 1] + sigma * step_scale * n[t]."""

from tests.reference._detmath import det_normal_quantile
from tests.reference.open_uniform import open52
from tests.reference.philox_block import draw


def ou_field(key, entity, sigma, phi, step_scale, buckets):
    field = []
    for name, scale, decay, step in zip(entity, sigma, phi, step_scale, strict=True):
        normals = [det_normal_quantile(open52(draw(key, 0, name, t))) for t in range(buckets)]
        for t, normal in enumerate(normals):
            field.append(scale * normal if t == 0 else decay * field[-1] + scale * step * normal)
    return field
