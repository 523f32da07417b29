"""JUnit XML, in the form that Jenkins reads: a suite for each script, a case for each finding.

https://github.com/jenkinsci/xunit-plugin (junit-10.xsd) is the nearest thing to a standard.
"""

import re
from collections import Counter
from xml.sax.saxutils import escape, quoteattr

from migsafe.lint.model import Finding, LintedFile, LintReport
from migsafe.lint.reports import View
from migsafe.lint.reports.words import rule_url

# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: LintReport, view: View) -> str:
    """A failure for each finding, a skipped case for each accepted one, a passed one for a clean script."""
    suites = [_suite(file, view) for file in report.files]
    tests = sum(_cases(file) for file in report.files)
    failures = len(report.findings)
    head = f'<testsuites name="migsafe" tests="{tests}" failures="{failures}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]) + "\n"


def _cases(file: LintedFile) -> int:
    return max(1, len(file.findings) + len(file.suppressed))


def _suite(file: LintedFile, view: View) -> str:
    path = view.locate(file.path)
    names: Counter[str] = Counter()
    cases = [_failure(finding, path, names, view) for finding in file.findings]
    cases += [_skipped(finding, path, names) for finding in file.suppressed]
    if not cases:
        cases = [f'    <testcase name={_attribute("no findings")} classname={_attribute(path)} time="0"/>']
    head = (
        f'  <testsuite name={_attribute(path)} tests="{_cases(file)}" failures="{len(file.findings)}"'
        f' errors="0" skipped="{len(file.suppressed)}" time="0">'
    )
    return "\n".join([head, *cases, "  </testsuite>"])


def _failure(finding: Finding, path: str, names: Counter[str], view: View) -> str:
    place = f"{view.locate(finding.path)}:{finding.line}:{finding.column}"
    parts = [f"{place}: {finding.severity}: {finding.message} [{finding.id} {finding.rule}]"]
    if finding.is_in_code:
        parts.append(f"SQL: {finding.statement}")
    parts.append(" ".join(finding.why.split()))
    if finding.instead:
        parts.append(f"Instead, by example:\n{finding.instead}")
    parts.append(rule_url(finding.rule))
    text = escape(_clean("\n\n".join(parts)))
    head = f"<failure type={_attribute(finding.rule)} message={_attribute(finding.message)}>"
    return f"{_case(finding, path, names)}\n      {head}{text}</failure>\n    </testcase>"


def _skipped(finding: Finding, path: str, names: Counter[str]) -> str:
    reason = finding.suppression.reason if finding.suppression else ""
    return (
        f"{_case(finding, path, names)}\n"
        f"      <skipped>{escape(_clean(f'accepted: {reason}'))}</skipped>\n"
        "    </testcase>"
    )


def _case(finding: Finding, path: str, names: Counter[str]) -> str:
    """The opening tag. Cases of one suite have different names, and keep them when lines move."""
    names[finding.rule] += 1
    number = names[finding.rule]
    name = finding.rule if number == 1 else f"{finding.rule} ({number})"
    return f'    <testcase name={_attribute(name)} classname={_attribute(path)} time="0">'


def _attribute(text: str) -> str:
    return quoteattr(_clean(text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
