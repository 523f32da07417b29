"""Comments that accept findings: which statement they are about, and what is wrong with them if they fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.directives import as_sql_comment, read_directives
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintedFile, SuppressionKind
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source, SourceProblem

LINTER = Linter(shipped_rules())
DROP = "ALTER TABLE a DROP COLUMN x;"
ALLOW = "-- migsafe: allow dropped-column: gone since 2.3"


def linted(text: str) -> LintedFile:
    options = LintOptions(settings={"lock_timeout": "2s"})
    return LINTER.lint([Source(path="1.sql", text=text)], options).files[0]


def active(text: str) -> list[tuple[str, int]]:
    return [(finding.rule, finding.line) for finding in linted(text).findings]


def accepted(text: str) -> list[tuple[str, int]]:
    return [(finding.rule, finding.line) for finding in linted(text).suppressed]


@pytest.mark.parametrize(
    "script",
    [
        f"{ALLOW}\n{DROP}",
        f"{ALLOW}\n\n-- another comment\n/* and one more */\n{DROP}",
        f"{DROP} {ALLOW}",
        f"{DROP[:-1]} {ALLOW}",
        f"{DROP}\t;{ALLOW}\n",
        "ALTER TABLE a\n  -- migsafe: allow dropped-column: gone since 2.3\n  DROP COLUMN x;",
        "ALTER TABLE a /* migsafe: allow dropped-column: gone */ DROP COLUMN x;",
        f"/* migsafe: allow dropped-column: gone since 2.3 */ {DROP}",
        f"/*\n * migsafe: allow dropped-column: gone\n * since 2.3\n */\n{DROP}",
        f"--migsafe:allow MS303:gone\n{DROP}",
        f"-- MIGSAFE: Allow ms303 : gone: and more: of it\n{DROP}",
        f"-- migsafe: allow renamed-column, dropped-column: gone\n{DROP} {DROP} ALTER TABLE a RENAME b TO c;",
        f"{ALLOW}\r\n{DROP}\r\n",
        f"\ufeff{ALLOW}\r{DROP}",
        f"SELECT 1; {ALLOW.replace('--', '/*')} */ {DROP}",
        f"{ALLOW}\nALTER TABLE a DROP COLUMN x, DROP COLUMN y;",
    ],
)
def test_a_comment_at_the_statement_accepts_its_finding(script: str) -> None:
    first = linted(script).suppressed[0]
    assert first.rule == "dropped-column"
    assert first.suppression is not None
    assert first.suppression.kind is SuppressionKind.STATEMENT
    assert first.suppression.reason.startswith("gone")


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (f"{ALLOW}\n{DROP}\n{DROP}", [3]),
        (f"{DROP}\n{ALLOW}\n{DROP}", [1]),
        (f"{DROP} {ALLOW}\n{DROP}", [2]),
        (f"{DROP}\nSELECT 1; {ALLOW}\n{DROP}", [1, 3]),
        (f"{DROP} /* migsafe: allow dropped-column: r */ {DROP}", [1]),
        (f"SELECT '{ALLOW}\n';\n{DROP}", [3]),
        (f'SELECT "{ALLOW}\n";\n{DROP}', [3]),
        (f"SELECT $${ALLOW}\n$$;\n{DROP}", [3]),
    ],
)
def test_a_comment_accepts_nothing_else(script: str, lines: list[int]) -> None:
    assert [line for rule, line in active(script) if rule == "dropped-column"] == lines


def test_a_comment_for_the_file_accepts_every_such_finding_wherever_it_stands() -> None:
    script = f"{DROP}\n{DROP}\n-- migsafe: allow-file dropped-column: a cleanup release\n"
    assert active(script) == []
    assert accepted(script) == [("dropped-column", 1), ("dropped-column", 2)]
    assert {each.suppression.line for each in linted(script).suppressed if each.suppression} == {3}


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("-- migsafe: allow dropped-column", "a reason is required: `migsafe: allow dropped-column: REASON`"),
        ("-- migsafe: allow dropped-column:", "a reason is required"),
        ("-- migsafe: allow dropped-column:  ", "a reason is required"),
        ("-- migsafe: allow: because", "no rule is named"),
        ("-- migsafe: allow", "no rule is named"),
        ("-- migsafe: allow dropped-column because I say so", "put commas between rules"),
        ("-- migsafe: allow dropped-column renamed-column: x", "put commas between rules"),
        ("-- migsafe: alow dropped-column: x", "'alow' is not known; did you mean 'allow'?"),
        ("-- migsafe: alow-file dropped-column: x", "did you mean 'allow-file'?"),
        ("-- migsafe:", "it says nothing"),
        ("-- migsafe-allow dropped-column: x", "write it as `migsafe: allow RULE: REASON`"),
        ("-- migsafe ignore dropped-column", "write it as `migsafe: allow RULE: REASON`"),
        ("-- migsafe: phase contrct", "phase cannot be 'contrct'; did you mean 'contract'?"),
        ("-- migsafe: transaction sometimes", "transaction cannot be 'sometimes'"),
        ("/* migsafe: allow dropped-column */", "a reason is required"),
    ],
)
def test_a_comment_that_is_malformed_accepts_nothing_and_is_a_finding(comment: str, said: str) -> None:
    findings = linted(f"{comment}\n{DROP}").findings
    assert [finding.rule for finding in findings] == ["malformed-comment", "dropped-column"]
    assert said in findings[0].message
    assert (findings[0].line, findings[0].end_column) == (1, len(comment) + 1)


@pytest.mark.parametrize(
    "comment", ["-- migsafe would say no here", "-- see the docs of migsafe", "-- about migsafe: nothing"]
)
def test_prose_about_us_is_no_comment_for_us(comment: str) -> None:
    assert active(f"{comment}\nSELECT 1;") == []


def test_an_unknown_rule_is_a_finding_and_the_others_of_the_comment_count() -> None:
    script = f"-- migsafe: allow droped-column, dropped-column: gone\n{DROP}"
    (finding,) = linted(script).findings
    assert finding.rule == "unknown-suppression"
    assert "'droped-column'; did you mean 'dropped-column'?" in finding.message
    assert accepted(script) == [("dropped-column", 2)]


def test_what_accepts_nothing_is_a_finding_each_rule_for_itself() -> None:
    script = f"-- migsafe: allow dropped-column, renamed-column: gone\n{DROP}"
    (finding,) = linted(script).findings
    assert (finding.rule, finding.line) == ("unused-suppression", 1)
    assert "renamed-column in the statement" in finding.message
    assert active("SELECT 1;\n-- migsafe: allow dropped-column: gone") == [("unused-suppression", 2)]
    assert active("-- migsafe: allow-file dropped-column: gone\nSELECT 1;") == [("unused-suppression", 1)]


def test_an_unused_comment_can_be_accepted_itself_and_that_must_be_used_too() -> None:
    unused = "-- migsafe: allow dropped-column: only on some servers\nSELECT 1;"
    assert active(f"-- migsafe: allow-file unused-suppression: see below\n{unused}") == []
    alone = "-- migsafe: allow-file unused-suppression: see below\nSELECT 1;"
    assert active(alone) == [("unused-suppression", 1)]


def test_a_comment_in_a_block_of_code_is_about_the_block() -> None:
    comment = "-- migsafe: allow opaque-code: only counts"
    body = f"DO $$\nBEGIN\n  {comment}\n  EXECUTE 'SELECT ' || current_user;\nEND $$;"
    assert active(body) == []
    assert accepted(body) == [("opaque-code", 4)]
    before = body.replace("migsafe: allow", "once:")
    assert accepted(f"{comment}\n{before}") == [("opaque-code", 5)]


def test_a_statement_that_was_not_understood_can_be_accepted_with_a_reason() -> None:
    script = "-- migsafe: allow unread-statement: an extension's own syntax\nFROBNICATE a;"
    assert active(script) == []
    assert linted(script).unread == 1


def test_a_script_can_say_that_its_tool_opens_no_transaction() -> None:
    script = "CREATE INDEX CONCURRENTLY i ON t (a);"
    source = Source(path="1.sql", text=script, in_transaction=True)
    options = LintOptions(settings={"lock_timeout": "2s"})
    assert LINTER.lint([source], options).findings != ()
    said = Source(path="1.sql", text=f"-- migsafe: transaction never\n{script}", in_transaction=True)
    assert LINTER.lint([said], options).findings == ()


def test_two_words_for_one_thing_are_a_contradiction() -> None:
    script = "-- migsafe: phase expand\n-- migsafe: phase contract\nSELECT 1;"
    (finding,) = linted(script).findings
    assert (finding.rule, finding.line) == ("malformed-comment", 2)
    assert "the script says phase expand before" in finding.message
    assert active("-- migsafe: phase contract\n-- migsafe: phase contract\nSELECT 1;") == []


@pytest.mark.parametrize(
    ("comment", "sql"),
    [
        ("# migsafe: allow dropped-column: gone", "-- migsafe: allow dropped-column: gone"),
        ("  #migsafe:phase contract  ", "-- migsafe:phase contract"),
        ("# migsafe: alow x: y", "-- migsafe: alow x: y"),
        ("# noqa", ""),
        ("# about migsafe: nothing", ""),
    ],
)
def test_a_comment_of_python_is_turned_into_one_of_sql(comment: str, sql: str) -> None:
    assert as_sql_comment(comment) == sql


@given(st.text(alphabet=st.sampled_from("migsafe: alowpht,-*/\n\r #é")))
def test_any_comment_can_be_read(text: str) -> None:
    for comment in (f"-- {text}", f"/* {text} */", f"-- migsafe: {text}", f"/* migsafe: allow {text} */"):
        for directive in read_directives(comment, 7):
            assert (directive.start, directive.end) == (7, 7 + len(comment))
            assert bool(directive.problem) or directive.names


PIECES = [
    *("-- migsafe: allow dropped-column: r", "/* migsafe: allow dropped-column: r */", "-- migsafe: alow"),
    *(
        "-- migsafe: phase contract",
        DROP,
        "SELECT 1",
        ";",
        "\n",
        "\r\n",
        " ",
        "$$",
        "DO $$",
        "'",
        "/*",
        "*/",
        "--",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_nothing_is_lost_every_finding_counts_or_is_accepted_with_a_reason(script: str) -> None:
    file = linted(script)
    bare = linted(script.replace("migsafe", "somebody"))
    ours = {"malformed-comment", "unused-suppression"}
    rules = sorted(each.rule for each in (*file.findings, *file.suppressed) if each.rule not in ours)
    assert rules == sorted(each.rule for each in (*bare.findings, *bare.suppressed)) or "contract" in script
    assert all(each.suppression and each.suppression.reason for each in file.suppressed)


ALLOWED = "-- migsafe: allow unread-statement: a few rows\n\n"
DROP_FAX = "ALTER TABLE users DROP COLUMN fax;\n\n"


def of_problems(text: str, *places: int) -> tuple[list[str], list[str]]:
    """What is found, and what is accepted, in a rendered script with parts at these places not rendered."""
    problems = tuple(SourceProblem(message=f"no {at}", path="1.py", line=at + 1, at=at) for at in places)
    source = Source(path="1.py", text=text, problems=problems)
    report = Linter(shipped_rules()).lint([source], LintOptions(settings={"lock_timeout": "2s"}))
    return sorted(each.rule for each in report.findings), sorted(each.rule for each in report.suppressed)


def test_a_comment_right_before_what_could_not_be_rendered_accepts_it() -> None:
    assert of_problems(ALLOWED, len(ALLOWED)) == ([], ["unread-statement"])
    assert of_problems(ALLOWED + "SELECT 1;\n\n", len(ALLOWED)) == ([], ["unread-statement"])


def test_a_comment_accepts_only_the_one_unrendered_part_that_it_stands_before() -> None:
    assert of_problems(ALLOWED, 0, len(ALLOWED)) == (["unread-statement"], ["unread-statement"])
    both = ALLOWED + "SELECT 1;\n\n" + ALLOWED
    assert of_problems(both, len(ALLOWED), len(both)) == ([], ["unread-statement", "unread-statement"])


def test_a_comment_for_what_was_not_rendered_says_nothing_of_the_statement_behind_it() -> None:
    text = ALLOWED + "FROBNICATE a;\n\n"
    assert of_problems(text, len(ALLOWED)) == (["unread-statement"], ["unread-statement"])
    comment = "-- migsafe: allow dropped-column: nobody reads it\n\n"
    assert of_problems(comment + DROP_FAX, len(comment)) == (
        ["dropped-column", "unread-statement", "unused-suppression"],
        [],
    )


def test_a_comment_for_the_next_statement_says_nothing_of_what_was_not_rendered_before_it() -> None:
    assert of_problems("SELECT 1;\n\n" + ALLOWED + "SELECT 2;\n\n", len("SELECT 1;\n\n")) == (
        ["unread-statement", "unused-suppression"],
        [],
    )


def test_a_comment_behind_a_statement_is_about_that_and_not_about_what_was_not_rendered_next() -> None:
    text = DROP_FAX.rstrip() + " -- migsafe: allow dropped-column: nobody reads it\n\n"
    assert of_problems(text, len(text)) == (["unread-statement"], ["dropped-column"])


def test_a_comment_for_the_file_accepts_what_could_not_be_rendered() -> None:
    text = "-- migsafe: allow-file unread-statement: a few rows\n\nSELECT 1;\n\n"
    assert of_problems(text, len(text)) == ([], ["unread-statement"])
