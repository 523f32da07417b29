"""Renders an Alembic project's revisions, inside the project's Python. Alembic 1.8 is enough for it."""

from __future__ import annotations

import io
import os
import re
from argparse import Namespace
from typing import Any

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from .alembic_connection import OfflineConnection, executor
from .alembic_steps import guarded, placed_batches
from .alembic_transactions import autocommit_block, show_transactions
from .recorder import Failure, Recorder, describe, user_place
from .sessions import of_code

_PHASES = ("expand", "backfill", "contract")


class Project:
    """One Alembic project while it is rendered."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.revisions: list[dict[str, Any]] = []
        self.ran = False
        self.settings: dict[str, str] = {}

    def render(self) -> None:
        """Fills `revisions`."""
        self.config = self._config()
        try:
            self.script: Any = ScriptDirectory.from_config(self.config)
            self.heads = self.script.get_heads()
        except Exception as error:
            raise Failure("scripts", describe(error), user_place(error)) from error
        self.settings = of_code(os.path.join(self.script.dir, "env.py"))
        self.asked = self._asked()
        up = self.request["direction"] == "up"
        options = {
            "as_sql": True,
            "fn": lambda _rev, _context: [],
            "starting_rev": None,
            "destination_rev": "heads" if up else "base",
        }
        with EnvironmentContext(self.config, self.script, **options) as environment:
            self.environment = environment
            if not self.request["run_env"]:
                self.run({}, {"transactional_ddl": None})
                return
            context: Any = MigrationContext
            context.run_migrations = lambda found, **named: self.run(named, found.opts)
            try:
                self.script.run_env()
            except Failure:
                raise
            except BaseException as error:
                raise Failure("env", describe(error), user_place(error)) from error
        if not self.ran:
            raise Failure("no-run", "env.py did not call context.run_migrations()")

    def _asked(self) -> set[str]:
        """The revisions that the request names, in any form that Alembic knows (head, expand@head, ae10)."""
        name = self.request.get("asked")
        if not name:
            return set()
        try:
            return {revision.revision for revision in self.script.get_revisions(name) if revision}
        except Exception as error:
            raise Failure("asked", describe(error)) from error

    def _config(self) -> Any:
        file = self.request["config"]
        known: dict[str, Any] = {"ini_section": self.request["section"] or "alembic"}
        known["cmd_opts"] = Namespace(x=self.request["arguments"] or None)
        known["toml_file" if file.endswith(".toml") else "file_"] = file
        config = Config(**known)
        if self.request["script_location"]:
            config.set_main_option("script_location", self.request["script_location"].replace("%", "%%"))
        return config

    def run(self, arguments: dict[str, Any], given: dict[str, Any]) -> None:
        """Renders every revision, in Alembic's own order; called where env.py runs the migrations."""
        self.ran = True
        up = self.request["direction"] == "up"
        if up:
            steps = self.script._upgrade_revs("heads", ())
        else:
            steps = self.script._downgrade_revs("base", self.heads)
        for step in steps:
            revision = step.revision
            recorder = Recorder(revision.path)
            context = self.context(recorder, given)
            shown = self.environment._migration_context
            self.environment._migration_context = context
            with placed_batches(recorder), Operations.context(context):
                function = guarded(revision.module, "upgrade" if up else "downgrade", recorder)
                try:
                    function(**arguments)
                except Exception as error:  # noqa: BLE001 -- a part of a revision; the next ones are rendered
                    recorder.failures = 0
                    recorder.failed(error)
            self.environment._migration_context = shown
            if recorder.shows_transactions:
                show_transactions(recorder, function)
            self.revisions.append(
                {
                    "revision": revision.revision,
                    "path": os.path.abspath(revision.path),
                    "phase": phase_of(revision, self.script),
                    "asked": revision.revision in self.asked,
                    "down": list(revision._versioned_down_revisions),
                    "depends_on": list(getattr(revision, "_resolved_dependencies", ())),
                    "labels": sorted(revision.branch_labels),
                    "own_labels": sorted(revision._orig_branch_labels),
                    "is_head": revision.revision in self.heads,
                    "in_transaction": not recorder.shows_transactions,
                    "shows_transactions": recorder.shows_transactions,
                    "settings": self.settings,
                    "statements": recorder.statements,
                    "problems": recorder.problems,
                }
            )

    def context(self, recorder: Recorder, given: dict[str, Any]) -> Any:
        """A migration context that writes PostgreSQL's SQL to the recorder and never connects."""
        # Named parameters: otherwise every % in a statement is doubled.
        make_dialect: Any = postgresql.dialect
        dialect = make_dialect(paramstyle="named")
        options = {**given, "as_sql": True, "literal_binds": True, "output_buffer": io.StringIO()}
        context: Any = MigrationContext(dialect, None, options, self.environment)
        implementation = context.impl
        execute = executor(recorder, dialect)
        implementation._exec = execute
        implementation.static_output = recorder.sql
        context.autocommit_block = autocommit_block(recorder)
        context.connection = implementation.connection = OfflineConnection(dialect, execute, recorder)
        return context


def phase_of(revision: Any, script: Any) -> str:
    """What the revision declares: `migsafe_phase`, or a branch label that ends with a phase's name.

    A label holds for the revisions behind it up to the first merge: what comes then is of both branches.
    """
    said = getattr(revision.module, "migsafe_phase", "")
    while not said and revision is not None:
        for label in sorted(revision._orig_branch_labels):
            said = next((phase for phase in _PHASES if re.search(rf"(?:\A|[_\-@.]){phase}\Z", label)), said)
        below = revision._versioned_down_revisions
        revision = script.get_revision(below[0]) if len(below) == 1 else None
    return str(said)


def render(request: dict[str, Any]) -> list[dict[str, Any]]:
    """All revisions in the order in which they run.

    Raises:
        Failure: The project cannot be rendered at all.
    """
    project = Project(request)
    project.render()
    return project.revisions
