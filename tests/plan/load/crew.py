"""The clients of both versions: who works now, and what they have written so far."""

import re
from collections.abc import Sequence

import psycopg

from migsafe.plan.model import Plan
from migsafe.plan.stages import Version
from migsafe.sql.names import Name
from tests.plan.cases import Application, Case

from .clients import AUTOMATIC, PREPARING, Client, Style, Write, stop_all, warned_of, writers
from .figures import Recorder
from .values import Source


class Crew:
    """Starts and stops the clients of a version; keeps what was acknowledged, in each author's order."""

    def __init__(self, case: Case, plan: Plan, dsn: str, recorder: Recorder, source: Source) -> None:
        self._case, self._plan, self._dsn = case, plan, dsn
        self._recorder, self._source = recorder, source
        self._at_work: dict[Version, list[Client]] = {}
        self._acknowledged: dict[Version, list[Write]] = {version: [] for version in Version}

    def is_at_work(self, version: Version) -> bool:
        return version in self._at_work

    def start(self, version: Version) -> None:
        if version in self._at_work:
            return
        clients = self._clients(version)
        self._at_work[version] = clients
        for client in clients:
            client.start()

    def stop(self, version: Version) -> None:
        clients = self._at_work.pop(version, [])
        stop_all(clients)
        for client in clients:
            self._acknowledged[version] += client.acknowledged

    def stop_everybody(self) -> None:
        for version in Version:
            self.stop(version)

    def take_acknowledged(self, version: Version) -> list[Write]:
        """What was written since this was asked the last time; only while the version does not work."""
        assert version not in self._at_work
        taken, self._acknowledged[version] = self._acknowledged[version], []
        return taken

    def _clients(self, version: Version) -> list[Client]:
        application = application_of(self._case, version)
        reading = Application(reads=application.reads)
        looking = Application(reads=tuple(self._everything(application)))
        wanted: list[tuple[Application, Style, int | None]] = [
            (application, style, share) for share, style in writers(version)
        ]
        wanted += [(reading, AUTOMATIC, None), (looking, PREPARING, None)]
        return [
            Client(
                dsn=self._dsn,
                version=version,
                style=style,
                reads=what.reads,
                writes=what.writes,
                share=share,
                source=self._source,
                recorder=self._recorder,
                may_prepare_again=warned_of(self._plan),
            )
            for what, style, share in wanted
            if what.reads or what.writes
        ]

    def _everything(self, application: Application) -> Sequence[str]:
        """`SELECT *` from whatever is changed, can be read now, and is known to this version at all."""
        said = " ".join((*application.reads, *application.writes))
        names = [subject.sql for subject in self._plan.subjects if _is_said(subject, said)]
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            found = conn.execute(
                "SELECT name FROM unnest(%s::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name) "
                "WHERE c.relkind IN ('r', 'p', 'v') OR c.relkind = 'm' AND c.relispopulated",
                (names,),
            ).fetchall()
        return [f"SELECT * FROM {name.replace('%', '%%')} LIMIT 3" for (name,) in found]


def _is_said(subject: Name, said: str) -> bool:
    """Whether the statements name it, not another of this name in another schema."""
    name, schema = re.escape(subject.name), re.escape(subject.schema or "public")
    return re.search(rf'(?<!\.)"{name}"|(?<![."]){name}|{schema}\."?{name}', said) is not None


def application_of(case: Case, version: Version) -> Application:
    """What this version does."""
    return case.blue if version is Version.BLUE else case.green
