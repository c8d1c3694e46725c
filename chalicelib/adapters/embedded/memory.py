"""What large bodies took of the memory goes back to the system."""

import ctypes

M_MMAP_THRESHOLD = -3
LARGE_BYTES = 2 * 1024 * 1024


def give_back_large_blocks() -> None:
    """glibc learns from the first large block to keep those that follow, up to 32 MB each, in every thread's own heap;
    a limit that is set once is kept. Without glibc nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
