"""A report that has everything a format must show, and everything that must not break out of it."""

from dataclasses import replace

from migsafe.config.model import relative_to
from migsafe.lint.fix.model import Edit, Fix
from migsafe.lint.model import (
    BaselineReport,
    Finding,
    LintedFile,
    LintReport,
    Severity,
    Suppression,
    SuppressionKind,
)
from migsafe.lint.reports import View

# Every line of this tries to be something else: a command, markup, a mention, a link, the end of a block.
HOSTILE = (
    "::error::x\r\n::warning file=a::y %0A <img src=x onerror=alert(1)> </details> @everyone #1 !2 GH-3 "
    "[a](https://evil.example) ![b](https://evil.example/i.png) `c` ``` | d | ]]> & \" ' "
    "\x1b[31m \x00 \u202e "
    "https://evil.example www.evil.example me@evil.example $math$ ~~gone~~ *e* _f_"
)
SQL = "ALTER TABLE users\n  RENAME COLUMN name TO full_name;\n-- größer 🐘\nDROP TABLE users;\n"
HOSTILE_SQL = '-- ```\n-- </details> @everyone ::error::z\nDROP TABLE "```";\n'
ROOT = "/repository"


def located(path: str) -> str:
    return relative_to(ROOT, f"{ROOT}/service/{path}")


VIEW = View(locate=located)

RENAMED = Finding(
    rule="renamed-column",
    id="MS301",
    severity=Severity.ERROR,
    path="db/1 names.sql",
    line=1,
    column=1,
    end_line=2,
    end_column=34,
    message="Renaming users.name to full_name breaks every running version that still says name",
    why="The rename is instant, but\nold statements fail.",
    instead="-- Both must find their column.\nALTER TABLE users ADD COLUMN full_name text;",
    start=0,
    end=52,
    statement="ALTER TABLE users RENAME COLUMN name TO full_name",
    fingerprint="aaaaaaaaaaaaaaaa",
)
HOSTILE_FINDING = replace(
    RENAMED,
    rule="dropped-table",
    id="MS304",
    path="db/2,a:b%25`c`|<d>.sql",
    line=3,
    column=1,
    end_line=3,
    end_column=17,
    message=HOSTILE,
    why=HOSTILE,
    instead=HOSTILE,
    statement=HOSTILE,
    fingerprint="bbbbbbbbbbbbbbbb",
)
WARNING = replace(
    RENAMED,
    rule="missing-lock-timeout",
    id="MS402",
    severity=Severity.WARNING,
    message="This waits for a lock without end",
    instead="",
    fingerprint="cccccccccccccccc",
    fix=Fix(title="Set a lock timeout", edits=(Edit(start=0, end=0, text="SET lock_timeout = '2s';\n"),)),
)
IN_CODE = replace(
    RENAMED,
    path="versions/ae10_names.py",
    line=20,
    column=5,
    end_line=20,
    end_column=5,
    is_in_code=True,
    fingerprint="dddddddddddddddd",
)


def accepted(finding: Finding, kind: SuppressionKind, reason: str) -> Finding:
    return replace(
        finding,
        fingerprint=f"{kind:.>16}",
        suppression=Suppression(kind=kind, reason=reason, line=0 if kind == "baseline" else 3),
    )


REPORT = LintReport(
    files=(
        LintedFile(
            path="db/1 names.sql",
            text=SQL,
            statements=2,
            unread=0,
            findings=(RENAMED, WARNING),
            suppressed=(
                accepted(RENAMED, SuppressionKind.STATEMENT, "nobody reads it"),
                accepted(RENAMED, SuppressionKind.FILE, HOSTILE),
                accepted(RENAMED, SuppressionKind.BASELINE, "in the baseline"),
            ),
        ),
        LintedFile(
            path=HOSTILE_FINDING.path,
            text=HOSTILE_SQL,
            statements=1,
            unread=1,
            findings=(HOSTILE_FINDING,),
        ),
        LintedFile(
            path="versions/ae10_names.py",
            text="import sqlalchemy\n" * 30,
            statements=1,
            unread=0,
            findings=(IN_CODE,),
        ),
        LintedFile(path="db/3.sql", text="SELECT 1;\n", statements=1, unread=0, findings=()),
    ),
    baseline=BaselineReport(path="migsafe-baseline.toml", accepted=1, stale=("db/0.sql: renamed-column: x",)),
)
CLEAN = LintReport(files=(LintedFile(path="a.sql", text="", statements=0, unread=0, findings=()),))
EMPTY = LintReport(files=())
