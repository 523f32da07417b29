"""Alembic projects, rendered by the real Alembic: order, places, transactions, what cannot be rendered."""

import io
import shutil
import sys
from pathlib import Path

import psycopg
import pytest

from migsafe.config.model import Config
from migsafe.errors import UsageError
from migsafe.lint.run import LintRequest, lint_paths
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction, SourceSettings
from migsafe.sql.script import read_script

PROJECT = Path(__file__).parents[2] / "fixtures" / "sources" / "alembic"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(PROJECT, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def render(*paths: str, **settings: object) -> dict[str, Source]:
    configured = SourceSettings(path="alembic.ini", **settings)  # type: ignore[arg-type]
    request = Request(paths=paths, sources=(configured,))
    return {source.revision: source for source in gather(request, stdin=io.BytesIO())}


def add(project: Path, revision: str, body: str, *, down: str = "e0000004", head: str = "") -> None:
    lines = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
    (project / "versions" / f"{revision}.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\n{head}\n"
        f"revision = {revision!r}\ndown_revision = {down!r}\n\n\ndef upgrade():\n{lines}\n",
        encoding="utf-8",
    )


def statements(source: Source) -> list[str]:
    return [" ".join(statement.text.split()) for statement in read_script(source.text).statements]


def test_revisions_come_in_order_with_branches_before_their_merge() -> None:
    found = gather(Request(paths=(str(PROJECT / "alembic.ini"),)), stdin=io.BytesIO())
    order = [source.revision for source in found]
    assert order[:2] == ["a0000001", "b0000002"]
    assert set(order[2:4]) == {"c0000003", "d0000003"}
    assert order[4:] == ["e0000004"]


def test_each_statement_has_the_place_of_the_call_that_makes_it(project: Path) -> None:
    source = render()["b0000002"]
    lines = (project / "versions" / "0002_widen.py").read_text(encoding="utf-8").splitlines()
    places = {
        " ".join(source.text[origin.start : origin.end].split()): lines[origin.line - 1].strip()
        for origin in source.origins
    }
    assert source.path == "versions/0002_widen.py"
    assert places["ALTER TABLE customers ADD COLUMN region TEXT;"].startswith("batch.add_column(")
    assert places["SET lock_timeout = '2s';"].startswith("op.execute(")
    index = "CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer_id);"
    assert places[index].startswith("op.create_index(")


@pytest.mark.usefixtures("project")
def test_an_autocommit_block_takes_the_transaction_apart() -> None:
    source = render()["b0000002"]
    assert (source.in_transaction, source.shows_transactions) == (False, True)
    texts = statements(source)
    assert texts[:2] == ["BEGIN", "SET lock_timeout = '2s'"]
    assert texts[-2:] == [
        "COMMIT",
        "CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer_id)",
    ]


def test_sql_in_a_string_is_placed_where_it_stands_in_it(project: Path) -> None:
    source = render()["c0000003"]
    file = (project / "versions" / "0003_left.py").read_text(encoding="utf-8").splitlines()
    copied = next(origin for origin in source.origins if origin.copied)
    second = source.text.index("ALTER TABLE orders ALTER COLUMN customer_id")
    below = source.text.count("\n", copied.start, second)
    assert file[copied.line - 1].strip() == "ALTER TABLE customers ADD COLUMN token uuid;"
    assert (
        file[copied.line - 1 + below].strip() == "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;"
    )


@pytest.mark.usefixtures("project")
def test_what_asks_the_database_is_a_problem_and_the_rest_is_rendered() -> None:
    source = render()["c0000003"]
    assert [(problem.line, problem.message.split(",")[0]) for problem in source.problems] == [
        (12, "asks the database"),
        (15, "asks the database"),
    ]
    assert statements(source)[-1] == "UPDATE customers SET region = 'it''s' WHERE region = '10%'"


@pytest.mark.usefixtures("project")
def test_phases_are_declared_by_attribute_or_branch_label() -> None:
    phases = {revision: source.phase for revision, source in render().items()}
    assert phases == {
        "a0000001": "",
        "b0000002": "",
        "c0000003": "",
        "d0000003": "contract",
        "e0000004": "expand",
    }


def test_a_branch_label_ends_where_the_branch_is_merged(project: Path) -> None:
    add(project, "d1", "pass", down="d0000003")
    merge = project / "versions" / "0004_merge.py"
    text = merge.read_text(encoding="utf-8").replace('"d0000003"', '"d1"')
    merge.write_text(text.replace('migsafe_phase = "expand"', ""), encoding="utf-8")
    phases = {revision: source.phase for revision, source in render().items()}
    assert (phases["d0000003"], phases["d1"], phases["e0000004"]) == ("contract", "contract", "")


@pytest.mark.usefixtures("project")
def test_comments_for_migsafe_stand_before_their_statement() -> None:
    script = read_script(render()["d0000003"].text)
    assert [(statement.text, statement.source.comments[0].text) for statement in script.statements] == [
        (
            "ALTER TABLE customers DROP COLUMN balance",
            "-- migsafe: allow dropped-column: nobody has read it since spring",
        ),
        (
            "ALTER TABLE orders RENAME COLUMN note TO remark",
            "-- migsafe: allow renamed-column: internal tool",
        ),
    ]


@pytest.mark.usefixtures("project")
def test_a_python_file_that_is_named_is_judged_with_its_history() -> None:
    found = gather(Request(paths=("versions/0002_widen.py",)), stdin=io.BytesIO())
    assert [(source.revision, source.judged) for source in found] == [("a0000001", False), ("b0000002", True)]


@pytest.mark.usefixtures("project")
def test_going_back_is_rendered_on_request() -> None:
    found = gather(Request(paths=("alembic.ini",), direction=Direction.DOWN), stdin=io.BytesIO())
    back = {source.revision: source for source in found if source.judged}
    assert next(iter(back)) == "e0000004"
    assert list(back)[-2:] == ["b0000002", "a0000001"]
    assert statements(back["a0000001"]) == ["DROP TABLE orders", "DROP TABLE customers"]
    assert "NotImplementedError: the balance is gone" in back["d0000003"].problems[0].message


@pytest.mark.usefixtures("project")
def test_start_after_takes_an_abbreviated_revision() -> None:
    judged = {revision for revision, source in render(start_after="b0000").items() if source.judged}
    assert judged == {"c0000003", "d0000003", "e0000004"}


def test_one_statement_that_fails_costs_only_itself(project: Path) -> None:
    add(
        project,
        "f1",
        "op.add_column('orders', sa.Column('a', sa.Text))\n"
        "for name in ('b', 'c'):\n"
        "    if name == 'b':\n"
        "        raise_it()\n"
        "    op.add_column('orders', sa.Column(name, sa.Text))\n"
        "if sa.inspect(op.get_bind()).has_table('gone'):\n"
        "    op.drop_table('gone')\n"
        "op.get_bind().commit()\n"
        "sa.Enum('x', 'y', name='mood').create(op.get_bind(), checkfirst=True)\n"
        "op.get_bind().execute(sa.table('orders', sa.column('a')).insert(), [{'a': 'x'}, {'a': object()}])",
    )
    source = render()["f1"]
    assert statements(source) == [
        "ALTER TABLE orders ADD COLUMN a TEXT",
        "ALTER TABLE orders ADD COLUMN b TEXT",
        "ALTER TABLE orders ADD COLUMN c TEXT",
        "COMMIT",
        "BEGIN",
        "CREATE TYPE mood AS ENUM ('x', 'y')",
        "INSERT INTO orders (a) VALUES ('x')",
        "INSERT INTO orders (a) VALUES (NULL)",
    ]
    assert len(source.problems) == 2
    assert "raise_it" in source.problems[0].message
    assert "asks the database" in source.problems[1].message


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        # What only comes of the answer that is missing is not said again: the statement itself, what uses
        # what it sets, and what uses that.
        (
            "n = op.get_bind().execute(sa.text('SELECT 1')).fetchone()[0]\nm = n + 1\nop.execute(f'X {m}')",
            [0],
        ),
        ("t = sa.MetaData()\nt.reflect(op.get_bind())\nu = t.tables['u']\nop.execute(u.delete())", [1]),
        ("n = ask()\nif n > 0:\n    pass\nwhile n > 0:\n    pass", ["ask"]),
        ("rows = missing()\nlast = rows[-1]\nop.execute(last)", [0]),
        # Another question, and another failure, are causes of their own.
        (
            "a = op.get_bind().scalar(sa.text('SELECT 1'))\nb = op.get_bind().scalar(sa.text('SELECT 2'))",
            [0, 1],
        ),
        ("a = op.get_bind().scalar(sa.text('SELECT 1'))\nb = missing(1)", [0, 1]),
        ("missing(1)\nmissing(2)", [0, 1]),
        ("for one in (1, 2):\n    missing(one)", [1]),
        # Nobody takes the answer.
        ("op.get_bind().execute(sa.text('SELECT setval(1)'))", []),
    ],
)
def test_one_cause_is_one_problem_at_its_place(project: Path, body: str, lines: list[int | str]) -> None:
    add(
        project,
        "f5",
        body,
        head="\ndef ask():\n    return next(iter(op.get_bind().execute(sa.text('SELECT 1'))))[0]\n",
    )
    text = (project / "versions" / "f5.py").read_text(encoding="utf-8").splitlines()
    first = text.index("def upgrade():") + 2
    wanted = [text.index("def ask():") + 2 if line == "ask" else first + int(line) for line in lines]
    assert [problem.line for problem in render()["f5"].problems] == wanted


def test_parameters_are_those_that_the_statement_names(project: Path) -> None:
    add(
        project,
        "f6",
        "bind = op.get_bind()\n"
        "bind.execute(sa.text('DELETE FROM orders'), {'ids': (1, 2)})\n"
        "bind.execute(sa.text('DELETE FROM orders WHERE id IN :ids'), {'ids': (1, 2), 'more': 3})\n"
        "bind.execute(sa.text('DELETE FROM orders WHERE id IN :ids'), {'ids': ()})\n"
        "bind.execute(sa.text('DELETE FROM orders WHERE id = :id'), [{'id': 1}, {'id': 2}])\n"
        "bind.execute(sa.text('DELETE FROM orders WHERE id = :id'), {'di': 1})",
    )
    source = render()["f6"]
    assert statements(source) == [
        "DELETE FROM orders",
        "DELETE FROM orders WHERE id IN (1, 2)",
        "DELETE FROM orders WHERE id IN (NULL)",
        "DELETE FROM orders WHERE id = 1",
        "DELETE FROM orders WHERE id = 2",
    ]
    assert ["could not be written as SQL" in problem.message for problem in source.problems] == [True]


@pytest.mark.parametrize(
    "loop",
    [
        "while True:\n    if op.get_bind().scalar(sa.text('SELECT 1')) > 0:\n        break",
        "for number in iter(int, 1):\n    raise_it()",
    ],
)
def test_a_loop_that_waits_for_the_database_ends(project: Path, loop: str) -> None:
    add(project, "f9", f"{loop}\nop.execute('SELECT 2')")
    found = render(timeout=30)["f9"]
    assert found.problems


def test_what_is_rendered_runs_on_a_real_server(project: Path, database: str) -> None:
    add(project, "f2", "op.execute(\"COMMENT ON TABLE orders IS '100 % of them'\")")
    with psycopg.connect(database, autocommit=True) as connection:
        for source in render().values():
            if source.in_transaction:
                connection.execute("BEGIN")
            for statement in read_script(source.text).statements:
                # The one that the fixture cannot render would have filled what this needs.
                if "region SET NOT NULL" not in statement.text:
                    connection.execute(statement.text.encode())
            if source.in_transaction:
                connection.execute("COMMIT")
        row = connection.execute("SELECT obj_description('orders'::regclass)").fetchone()
    assert row == ("100 % of them",)


def test_an_environment_that_wants_a_variable_says_which_and_takes_it(project: Path) -> None:
    env = project / "env.py"
    env.write_text("import os\nos.environ['SHOP_URL']\n" + env.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"env\.py:2\): KeyError: 'SHOP_URL'") as error:
        render()
    assert "environment = {" in error.value.advice
    assert len(render(environment={"SHOP_URL": "postgresql://offline/offline"})) == 5


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("connection.execute(sa.text('SET lock_timeout = 1000'))", {"lock_timeout": "1000"}),
        ("connection.execute(sa.text(\"set session Lock_Timeout to '2s';\"))", {"lock_timeout": "2s"}),
        (
            "create_engine('', connect_args={'options': '-c lock_timeout=2s -c statement_timeout=5min'})",
            {"lock_timeout": "2s", "statement_timeout": "5min"},
        ),
        ("connection.execute(sa.text('SET LOCAL lock_timeout = 1000'))", {}),
        ("print('we do not SET lock_timeout = 1000 here')", {}),
    ],
)
def test_timeouts_that_the_environment_sets_hold_in_each_revision(
    project: Path, line: str, settings: dict[str, str]
) -> None:
    env = project / "env.py"
    text = env.read_text(encoding="utf-8").replace(
        "if context.is_off", f"if 0:\n    {line}\nif context.is_off"
    )
    env.write_text(text, encoding="utf-8")
    assert {source.settings for source in render().values()} == {tuple(settings.items())}
    add(project, "f7", "op.add_column('orders', sa.Column('a', sa.Text))")
    config = Config(sources=(SourceSettings(path="alembic.ini"),), root=str(project))
    report = lint_paths(LintRequest(paths=("versions/f7.py",), config=config), stdin=io.BytesIO())
    found = [finding.rule for file in report.files for finding in file.findings]
    assert found == ([] if "lock_timeout" in settings else ["missing-lock-timeout"])


def test_an_environment_that_connects_is_an_error_and_can_be_left_out(project: Path) -> None:
    env = project / "env.py"
    text = env.read_text(encoding="utf-8").replace("if context.is_offline_mode():", "if False:")
    env.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"env\.py failed when it was run offline") as error:
        render()
    assert "run_env = false" in error.value.advice
    assert len(render(run_env=False)) == 5


def test_an_environment_that_runs_nothing_is_an_error(project: Path) -> None:
    (project / "env.py").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"did not call context\.run_migrations"):
        render()


def test_an_environment_that_hangs_is_stopped(project: Path) -> None:
    (project / "env.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    with pytest.raises(UsageError, match="did not answer within 2 seconds"):
        render(timeout=2)


def test_a_revision_that_cannot_be_imported_is_an_error_with_its_place(project: Path) -> None:
    add(project, "f3", "pass", head="import no_such_package\n")
    with pytest.raises(
        UsageError, match=r"f3\.py:3\): ModuleNotFoundError: No module named 'no_such_package'"
    ):
        render()


@pytest.mark.usefixtures("project")
def test_a_python_without_alembic_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(UsageError, match="Alembic cannot be imported") as error:
        render(python="/usr/bin/python3")
    assert "`python`" in error.value.advice


def test_the_interpreter_is_named_from_the_folder_of_the_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.parent / "bin").mkdir()
    program = project.parent / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(project / "versions")
    settings = SourceSettings(path="shop/alembic.ini", python="bin/python")
    found = gather(Request(sources=(settings,), root=project.parent), stdin=io.BytesIO())
    assert len(found) == 5


def test_the_configuration_may_be_in_pyproject(project: Path) -> None:
    (project / "alembic.ini").unlink()
    (project / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s"\n', encoding="utf-8"
    )
    env = project / "env.py"
    text = env.read_text(encoding="utf-8").replace(
        'config.get_main_option("sqlalchemy.url")', '"postgresql://nowhere.invalid/shop"'
    )
    env.write_text(text, encoding="utf-8")
    assert len(gather(Request(paths=("pyproject.toml",)), stdin=io.BytesIO())) == 5


def test_a_project_for_two_databases_renders_both(project: Path) -> None:
    env = project / "env.py"
    env.write_text(
        "from alembic import context\n"
        "for name in ('one', 'two'):\n"
        "    context.configure(dialect_name='postgresql')\n"
        "    context.run_migrations(engine_name=name)\n",
        encoding="utf-8",
    )
    for path in (project / "versions").glob("000*.py"):
        path.unlink()
    (project / "versions" / "1.py").write_text(
        "from alembic import op\nrevision, down_revision = 'f4', None\n\n"
        "def upgrade(engine_name):\n    globals()[f'upgrade_{engine_name}']()\n\n"
        "def upgrade_one():\n    op.execute('SELECT 1')\n\n"
        "def upgrade_two():\n    op.execute('SELECT 2')\n",
        encoding="utf-8",
    )
    found = gather(Request(paths=("alembic.ini",)), stdin=io.BytesIO())
    assert [statements(source) for source in found] == [["SELECT 1"], ["SELECT 2"]]


def test_a_development_url_of_another_database_does_not_matter(project: Path) -> None:
    ini = project / "alembic.ini"
    text = ini.read_text(encoding="utf-8").replace("postgresql://nobody@nowhere.invalid/shop", "sqlite://")
    ini.write_text(text, encoding="utf-8")
    assert statements(render()["b0000002"])[-1].startswith("CREATE INDEX CONCURRENTLY")
