"""divmod(weight * units, weight_total)."""

from tests.reference._errors import RowError


def remainder_quota(weight, weight_total, units):
    shares = []
    for row, (part, total, amount) in enumerate(zip(weight, weight_total, units, strict=True)):
        if total == 0:
            raise RowError(row, "ZERO_TOTAL")
        if part > total:
            raise RowError(row, "WEIGHT_EXCEEDS_TOTAL")
        shares.append(divmod(part * amount, total))
    return [quota for quota, _ in shares], [remainder for _, remainder in shares]
