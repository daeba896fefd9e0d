"""A limit that the kernel keeps: the process is killed when it has passed, whatever code it is in.

Rules. It is for a process whose master may be gone, and which may hang in C code that never gives the interpreter back:
nobody else can end that one. So whoever sets it has to move it on for as long as all is well. A timer of the process
(timer_create(2)), which no child inherits. Where there is none, nothing is limited. In a worker, after fork.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

SIGEV_SIGNAL = 0
OF_SIGEVENT = 64  # bytes (struct sigevent of Linux)


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * (OF_SIGEVENT - 2 * ctypes.sizeof(ctypes.c_int) - ctypes.sizeof(ctypes.c_void_p))),
    )


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class HardLimit:
    """Not set at first."""

    def __init__(self) -> None:
        self._timer: ctypes.c_void_p | None = None
        self.reminder = -1  # a descriptor to be watched; -1: there is none, and nothing is limited
        try:
            self._library = ctypes.CDLL(None)
            self._create()
        except (OSError, AttributeError):  # a C library that has no such function
            self._timer = None

    def _create(self) -> None:
        if sys.platform != "linux":
            return
        event, timer = _Event(None, signal.SIGKILL, SIGEV_SIGNAL, b""), ctypes.c_void_p()
        flags = os.O_NONBLOCK | os.O_CLOEXEC  # what TFD_NONBLOCK and TFD_CLOEXEC are (timerfd_create(2))
        reminder = self._library.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if reminder < 0:
            return
        if self._library.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0:
            self._timer, self.reminder = timer, reminder
        else:
            os.close(reminder)

    def remind(self, seconds: float) -> None:
        """Make ``fileno`` readable in so many seconds, once: time to look whether the limit is still meant."""
        if self.reminder >= 0:
            self._library.timerfd_settime(self.reminder, 0, ctypes.byref(_setting(seconds)), None)

    def reminded(self) -> bool:
        """Whether that time has come; once."""
        try:
            return self.reminder >= 0 and bool(os.read(self.reminder, 8))
        except BlockingIOError:
            return False

    def leave(self) -> None:
        """Let go of it in a child, which has no such timer."""
        reminder, self.reminder, self._timer = self.reminder, -1, None
        if reminder >= 0:
            os.close(reminder)

    def set(self, seconds: float) -> None:
        """The process is killed in so many seconds, unless this is called again before. 0: it is not."""
        if self._timer is not None:
            self._library.timer_settime(self._timer, 0, ctypes.byref(_setting(seconds)), None)


def _setting(seconds: float) -> _Setting:
    whole = int(seconds)
    return _Setting(_Moment(0, 0), _Moment(whole, int((seconds - whole) * 1e9)))
