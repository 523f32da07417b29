"""What we ship for Kubernetes is YAML, is made of Jobs, and runs commands that there are."""

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from migsafe.cli.main import app

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kubernetes" / "work-job.yaml"


def jobs() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def containers() -> list[dict[str, Any]]:
    return [each for job in jobs() for each in job["spec"]["template"]["spec"]["containers"]]


def parse(words: list[str]) -> Any:
    """Parse a command line as the program does, without doing anything."""
    group: Any = typer.main.get_command(app)
    with group.make_context("migsafe", list(words)) as context:
        name, command, rest = group.resolve_command(context, words)
        return command.make_context(name, rest, parent=context)


def test_the_manifest_is_jobs_that_start_again_and_have_no_number_of_completions() -> None:
    found = jobs()
    assert [job["kind"] for job in found] == ["Job", "Job"]
    for job in found:
        assert job["apiVersion"] == "batch/v1"
        assert "completions" not in job["spec"]
        assert job["spec"]["backoffLimit"] > 6  # the default is over after a few lost pods
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
        for each in job["spec"]["template"]["spec"]["containers"]:
            assert [variable["name"] for variable in each["env"]] == ["MIGSAFE_DATABASE_URL"]
            assert "secretKeyRef" in each["env"][0]["valueFrom"]
    assert found[1]["spec"]["parallelism"] > 1


@pytest.mark.parametrize("container", containers(), ids=lambda each: str(each["name"]))
def test_the_command_of_each_container_is_one_of_ours(container: dict[str, Any]) -> None:
    program, *words = container["command"]
    assert program == "migsafe"
    context = parse(words)
    assert context.info_name == container["name"]
    assert context.params["plan"]
    assert context.params["database"] is None  # it comes from the environment


def test_the_parsing_of_this_test_refuses_what_the_program_refuses() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["work", "rename", "--leed"])
