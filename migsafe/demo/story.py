"""How the demo tells what happens: headed sections, one thought a line, live progress on a terminal."""

import os
import shutil
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from migsafe.errors import MigsafeError

WIDTH = 100
_BOLD, _DIM, _RED, _GREEN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"
_INDENT = 25  # where the text of a step begins, behind its time and its stage
_PROGRESS_INDENT = 13  # less, because terminals are narrow
_CLEAR_LINE = "\r\x1b[K"
QUIET_SECONDS = 5.0  # of silence before a progress line where lines cannot replace each other
TICK_SECONDS = 0.4


class Story:
    """Writes the story to a stream. No control codes unless it is a terminal; NO_COLOR is honoured."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty() and os.environ.get("TERM") != "dumb"
        self.color = self._terminal and not os.environ.get("NO_COLOR")
        self._started = time.monotonic()
        self._sections = 0
        self._live = False
        self._last_progress = time.monotonic()
        self._lock = threading.RLock()

    def section(self, title: str, *thoughts: str) -> None:
        """A new part of the story, and why it is there."""
        self._sections += 1
        self.line()
        self.line(self._paint(f"{self._sections}. {title}", _BOLD))
        for thought in thoughts:
            for line in textwrap.wrap(thought, WIDTH - 3):
                self.line(f"   {line}")

    def command(self, text: str) -> None:
        """The command that does the same outside of the demo."""
        self.line(f"   {self._paint(f'$ {text}', _DIM)}")

    def note(self, text: str) -> None:
        """One line that belongs to the section."""
        self.line(f"   {text}")

    def step(self, text: str) -> None:
        """One line with the time since the beginning, for what happens now."""
        clock = f"{time.monotonic() - self._started:6.1f} s"
        self.line(f"   {self._paint(clock, _DIM)}  {text}")

    def more(self, text: str) -> None:
        """One line that belongs to the step above."""
        self.line(f"{'':<{_INDENT}}{text}")

    def good(self, text: str) -> str:
        """The text in the colour of success."""
        return self._paint(text, _GREEN)

    def bad(self, text: str) -> str:
        """The text in the colour of failure."""
        return self._paint(text, _RED)

    def progress(self, text: str) -> None:
        """A line that the next one replaces; where that is not possible, one every few seconds."""
        with self._lock:
            now = time.monotonic()
            if self._terminal:
                width = min(WIDTH, shutil.get_terminal_size().columns - 1)
                self._write(_CLEAR_LINE + f"{'':<{_PROGRESS_INDENT}}{text}"[:width])
                self._live = True
            elif now - self._last_progress >= QUIET_SECONDS:
                self._write(f"{'':<{_PROGRESS_INDENT}}{text}\n")
                self._last_progress = now

    def line(self, text: str = "") -> None:
        """A plain line."""
        with self._lock:
            if self._live:
                self._write(_CLEAR_LINE)
                self._live = False
            self._last_progress = time.monotonic()
            self._write(f"{text}\n")

    @contextmanager
    def ticking(self, text: Callable[[], str]) -> Iterator[None]:
        """Show this text as progress again and again while the block runs; an empty one is not shown."""
        stop = threading.Event()

        def tick() -> None:
            while not stop.wait(TICK_SECONDS):
                with suppress(MigsafeError):  # whoever needs the part that went away says so
                    if now := text():
                        self.progress(now)

        ticker = threading.Thread(target=tick, name="ticker", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            stop.set()
            ticker.join()

    def _paint(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self.color else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
