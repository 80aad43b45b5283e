"""What a cubin says of itself: registers and local memory of its kernels,
without a driver or any of NVIDIA's tools.

A cubin is a 64-bit ELF file; section `.nv.info` is a list of (format u8, attribute u8, then u16 size + bytes
or two bytes of value). The attributes used hold (symbol u32, value u32). A planted spill in the tests shows
that they are read right.
"""

import struct

WITH_SIZE = 4
FRAME_SIZE = 0x11
MIN_STACK_SIZE = 0x12
MAX_STACK_SIZE = 0x23
REGISTERS = 0x2F
NO_BITS = 8


def sections(binary):
    """(name, bytes) of every section."""
    assert binary[:5] == b"\x7fELF\x02", "not a 64-bit ELF file"
    (table,) = struct.unpack_from("<Q", binary, 40)
    size, count, names = struct.unpack_from("<HHH", binary, 58)
    heads = [struct.unpack_from("<IIQQQQ", binary, table + i * size) for i in range(count)]
    for name, kind, _, _, offset, length in heads:
        at = heads[names][4] + name
        yield (
            binary[at : binary.index(b"\0", at)].decode(),
            b"" if kind == NO_BITS else binary[offset : offset + length],
        )


def attributes(binary):
    """{attribute: largest value over the kernels} of section `.nv.info`."""
    found = {}
    data = dict(sections(binary))[".nv.info"]
    at = 0
    while at < len(data):
        form, attribute = data[at], data[at + 1]
        (size,) = struct.unpack_from("<H", data, at + 2)
        at += 4
        if form == WITH_SIZE:
            if size == 8:
                found[attribute] = max(found.get(attribute, 0), struct.unpack_from("<II", data, at)[1])
            at += size
    return found


def local_bytes(binary):
    """Bytes of local memory a thread has: spilled registers, local arrays, frames of called functions."""
    found = attributes(binary)
    assert FRAME_SIZE in found, "no frame size in .nv.info: has the format changed?"
    return max(found.get(attribute, 0) for attribute in (FRAME_SIZE, MIN_STACK_SIZE, MAX_STACK_SIZE))


def registers(binary):
    """Registers a thread uses."""
    return attributes(binary)[REGISTERS]
