"""`migsafe init`: a first configuration."""

from pathlib import Path

import typer


def init(
    folder: Path = typer.Argument(Path(), metavar="FOLDER", help="The root of the repository."),
    force: bool = typer.Option(False, "--force", help="Write over a configuration that is there."),
    stdout: bool = typer.Option(False, "--stdout", help="Print it and write nothing."),
) -> None:
    """Look at the repository and write a commented migsafe.toml.

    Exit codes: 0 written, 2 there is one already, or it cannot be written.
    """
    from migsafe.cli.output import write_report
    from migsafe.config.find import OWN_NAME, own_or_shared
    from migsafe.config.scan import scan
    from migsafe.config.template import template
    from migsafe.errors import UsageError

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", advice="Name the root of the repository.")
    found = scan(folder)
    text = template(found)
    if stdout:
        write_report(text)
        return
    there = own_or_shared(folder)
    if there is not None and not (force and there.path.name == OWN_NAME):
        advice = "--force writes over it; --stdout shows what would be written."
        if there.path.name != OWN_NAME:
            advice = "Change it there; --stdout shows what could be in it."
        raise UsageError(f"{there.path}: there is a configuration already", advice=advice)
    target = folder / OWN_NAME
    try:
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error
    lines = [f"Wrote {target}."]
    lines += [f"  {each.path}: {each.kind} (by {each.because})" for each in found.sources]
    if found.sources:
        lines.append("Next: `migsafe lint`, and `migsafe lint --write-baseline` to accept what is there.")
    else:
        lines.append("No migrations were found: name their folder under [[sources]], or on the command line.")
    write_report("\n".join(lines) + "\n")
