"""Answers one request: JSON in on standard input, JSON out to a file; what is printed goes nowhere."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from .recorder import Failure


def main(answer_file: str) -> None:
    """Renders what the request asks for, and writes down how that went."""
    request = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 -- stays open as long as we run
    answer: dict[str, Any] = {}
    try:
        answer["migrations"] = _render(request)
    except Failure as failure:
        answer["error"] = {"kind": failure.kind, "message": str(failure), "place": failure.place}
    with open(answer_file, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def _render(request: dict[str, Any]) -> list[dict[str, Any]]:
    # A project has one of them installed.
    name = request["tool"]
    try:
        project = import_module(f".{name}_project", __package__)
    except ImportError as error:
        raise Failure("not-installed", str(error)) from error
    migrations: list[dict[str, Any]] = project.render(request)
    return migrations
