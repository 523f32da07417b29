"""The two forms of output that every command has."""

import json
from enum import StrEnum
from typing import Any

import typer


class OutputFormat(StrEnum):
    """For people, or for machines."""

    TEXT = "text"
    JSON = "json"


class StatusFormat(StrEnum):
    """What `status` can say besides."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
