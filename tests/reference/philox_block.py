"""Philox2x64-10 in Python integers, written from Salmon et al. 2011, section 3:
the definition the twins must equal.
"""

MASK = 2**64 - 1


def philox(key, counter):
    """Both 64-bit words for `counter` = (c0, c1)."""
    left, right = counter
    for round_number in range(10):
        round_key = (key + round_number * 0x9E3779B97F4A7C15) & MASK
        product = 0xD2B74407B1CE6E93 * left
        left, right = (product >> 64) ^ round_key ^ right, product & MASK
    return left, right


def draw(key, c0, c1, number):
    """Draw `number` of the entity whose blocks start at (c0, c1)."""
    return philox(key, ((c0 + number // 2) & MASK, c1))[number % 2]


def philox_block(key, c0, c1):
    blocks = [philox(key, counter) for counter in zip(c0, c1, strict=True)]
    return [x0 for x0, _ in blocks], [x1 for _, x1 in blocks]
