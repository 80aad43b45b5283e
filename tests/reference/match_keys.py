"""Index of (country, zone, channel) among the merchant's keys."""

from tests.reference._errors import RowError


def match_keys(offset, key_country, key_zone, key_channel, merchant, country, zone, channel):
    found = []
    keys = list(zip(key_country, key_zone, key_channel, strict=True))
    for row, (m, *wanted) in enumerate(zip(merchant, country, zone, channel, strict=True)):
        if m >= len(offset) - 1 or offset[m + 1] > len(keys):
            raise RowError(row, "OUT_OF_RANGE")
        own = keys[offset[m] : offset[m + 1]]
        if tuple(wanted) not in own:
            raise RowError(row, "KEY_NOT_FOUND")
        found.append(offset[m] + own.index(tuple(wanted)))
    return found
