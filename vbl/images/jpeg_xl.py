"""How many bits a JPEG XL has, which its decoder does not say."""

JXL_SIGNATURE = b"\xff\x0a"
SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))  # (offset, bits) of a number, chosen by two bits
WHOLE, FLOATING = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))


def bits_per_sample(data: bytes) -> int | None:
    """Bits per sample, from the start of the file; None for one with a preview or an animation.

    The fields are read from the least significant bit of each byte: the size, then the metadata of
    the image (ISO/IEC 18181-1).
    """
    if not data.startswith(JXL_SIGNATURE):  # the codestream is in a box of the file
        box = max(data.find(b"jxlc"), data.find(b"jxlp"))
        data = data[data.find(JXL_SIGNATURE, box) :]
    left = int.from_bytes(data[2:42], "little")

    def take(count: int) -> int:
        nonlocal left
        value, left = left & ((1 << count) - 1), left >> count
        return value

    def number(choices: tuple[tuple[int, int], ...]) -> int:
        offset, count = choices[take(2)]
        return offset + take(count)

    def size() -> None:
        small = take(1)
        take(5) if small else number(SIDE)
        if take(3) == 0:  # the width is no simple multiple of the height
            take(5) if small else number(SIDE)

    size()
    if take(1):  # all metadata by default
        return 8
    if take(1):
        take(3)  # orientation
        if take(1):
            size()  # to be shown in
        if take(1) or take(1):
            return None
    return number(FLOATING if take(1) else WHOLE)
