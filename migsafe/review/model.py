"""What a review of a plan found, as data."""

from dataclasses import dataclass

from migsafe.lint.model import LintReport
from migsafe.plan.model import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with a plan. `step` is its id, "" when it is about the plan as a whole.

    `line` is 1-based, None when nothing in the file stands for it.
    """

    text: str
    line: int | None = None
    step: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan file that was looked at.

    `problems` have to be put right. `notes` are worth knowing and may be meant. `lint` is what the linter
    says of the steps, None when no schema was given.
    """

    path: str
    plan: Plan
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    lint: LintReport | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing has to be put right."""
        return not self.problems and (self.lint is None or not self.lint.findings)
