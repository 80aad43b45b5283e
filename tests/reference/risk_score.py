"""max(least, base + weighted sum of the entity's features), features stored one after another."""

from tests.reference._errors import RowError


def risk_score(base, least, weight, feature):
    if not weight:
        return []
    entities = len(feature) // len(weight)
    if entities and (least < 0 or entities * len(weight) != len(feature)):
        raise RowError(0, "LEAST_NEGATIVE" if least < 0 else "WRONG_LENGTH")
    return [
        max(least, base + sum(w * feature[j * entities + i] for j, w in enumerate(weight)))
        for i in range(entities)
    ]
