"""Independent random streams, all derived from the seed of a run."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive the seed of one random stream, in [0, 2**31).

    Streams of different purposes are independent: more random numbers in one place
    (another fold, a longer training) change nothing elsewhere.
    """
    words = "/".join(map(str, (seed, *purpose)))
    digest = hashlib.sha256(words.encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
