"""macOS: the memory that can be had now, and the threads of its BLAS."""

from __future__ import annotations

import ctypes
import os

HOST_VM_INFO64, NUMBERS = 4, 64  # mach/host_info.h: statistics of the memory, as 32-bit numbers
VARIABLE = "VECLIB_MAXIMUM_THREADS"


def free_bytes() -> int | None:
    """Bytes of the free and the inactive pages, as ``vm_stat`` counts them; ``None`` if it is not told.

    Source: ``vm_statistics64`` of mach/vm_statistics.h begins with the pages that are free, active,
    inactive and wired.
    """
    system = ctypes.CDLL(None)
    pages, length = (ctypes.c_uint32 * NUMBERS)(), ctypes.c_uint32(NUMBERS)
    if system.host_statistics64(
        system.mach_host_self(), HOST_VM_INFO64, ctypes.byref(pages), ctypes.byref(length)
    ):
        return None
    free, _, inactive = pages[:3]
    return int((free + inactive) * os.sysconf("SC_PAGE_SIZE"))


class Accelerate:
    """Threads of Apple's BLAS, which has no call for them: the variable that it reads as it starts.

    So the limit holds where no product was computed before the first block that asks for it.
    """

    def get_num_threads(self) -> int:
        """Return what the variable says; 0 without one."""
        said = os.environ.get(VARIABLE, "")
        return int(said) if said.isdecimal() else 0

    def set_num_threads(self, threads: int) -> None:
        """Set the variable; 0 unsets it."""
        if threads:
            os.environ[VARIABLE] = str(threads)
        else:
            os.environ.pop(VARIABLE, None)
