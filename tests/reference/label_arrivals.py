"""What an arrival shares with its key."""

from tests.reference._errors import RowError


def label_arrivals(arrival_key, virtual, key_country, key_zone, key_channel, key_settlement):
    for i, k in enumerate(arrival_key):
        if k >= len(key_zone):
            raise RowError(i, "KEY_OUT_OF_RANGE")
    return (
        [key_country[k] for k in arrival_key],
        [key_zone[k] for k in arrival_key],
        [key_channel[k] for k in arrival_key],
        [
            key_settlement[k] if online else key_zone[k]
            for k, online in zip(arrival_key, virtual, strict=True)
        ],
    )
