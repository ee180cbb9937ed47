"""Three unknowns and how sure they are, a Gaussian, and what one measurement of them changes (a Kalman update)."""

from typing import NamedTuple

Three = tuple[float, float, float]
Six = tuple[float, float, float, float, float, float]


class Estimate(NamedTuple):
    """Means of x, y, z; their (co)variances in the order xx, xy, xz, yy, yz, zz."""

    mean: Three
    cov: Six


def update(prior: Estimate, by: Three, measurement: float, variance: float) -> Estimate:
    """Learn from one measurement of `by` times (x, y, z), summed, which is wrong by that variance."""
    (x, y, z), (xx, xy, xz, yy, yz, zz) = prior
    a, b, c = by
    px, py, pz = xx * a + xy * b + xz * c, xy * a + yy * b + yz * c, xz * a + yz * b + zz * c
    whole = a * px + b * py + c * pz + variance
    gx, gy, gz = px / whole, py / whole, pz / whole
    surprise = measurement - (a * x + b * y + c * z)
    mean = (x + gx * surprise, y + gy * surprise, z + gz * surprise)
    return Estimate(
        mean,
        (
            max(xx - gx * px, 0.0),
            xy - gx * py,
            xz - gx * pz,
            max(yy - gy * py, 0.0),
            yz - gy * pz,
            max(zz - gz * pz, 0.0),
        ),
    )
