"""Where the steps of a plan stand in its file."""

from dataclasses import dataclass

from migsafe.plan.model import BackfillStep, ConcurrentStep, DdlStep, IndexStep, Plan, Step, VerifyStep
from migsafe.plan.toml.document import SECTIONS
from migsafe.plan.toml.places import Places, find_places
from migsafe.sources.model import Origin
from migsafe.sql.position import Lines
from migsafe.sql.split import split


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPlaces:
    """A plan file's text, and the path in it of each step by its id: `verify 4`."""

    file: str
    text: str
    places: Places
    steps: dict[str, str]

    def line(self, step: str = "", key: str = "") -> int | None:
        """The line of a key of a step, else of the step; without a step of a key of the plan."""
        path = self.steps.get(step, "")
        lines = self.places.lines
        return lines.get(f"{path}.{key}" if path else key) or lines.get(path)

    def origins(self, step: Step, text: str) -> tuple[Origin, ...]:
        """Where the statements stand that this step runs; `text` is that of all of them."""
        if not isinstance(step, DdlStep | IndexStep | ConcurrentStep):
            line = self.line(step.id, main_key(step)) or 1
            return (Origin(start=0, end=len(text), path=self.file, line=line),)
        path = f"{self.steps[step.id]}.sql"
        start = self.places.starts.get(path)
        if start is None or path not in self.places.exact:
            return (Origin(start=0, end=len(text), path=self.file, line=self.line(step.id, "sql") or 1),)
        inside = Lines(self.text)
        found, at = [], 0
        for statement in split(self.text[start : self._end(start, path)]).statements:
            place = inside.position(start + statement.start)
            at = text.index(statement.text, at)
            found.append(
                Origin(
                    start=at,
                    end=at + len(statement.text) + 2,
                    path=self.file,
                    line=place.line,
                    column=place.column,
                    copied=True,
                )
            )
            at += len(statement.text)
        return tuple(found)

    def _end(self, start: int, path: str) -> int:
        return start + self.places.lengths[path]


def place_steps(plan: Plan, text: str, *, file: str) -> PlanPlaces:
    """Where everything of a plan stands that was read from this text."""
    steps = {
        step.id: f"{section} {number}"
        for section, stage in SECTIONS.items()
        for number, step in enumerate(plan.steps_to(stage), 1)
    }
    return PlanPlaces(file=file, text=text, places=find_places(text), steps=steps)


def main_key(step: Step) -> str:
    """The key that says what the step does."""
    match step:
        case BackfillStep(delete=True):
            return "delete"
        case BackfillStep(copy=copy):
            return "set" if copy is None else "into"
        case VerifyStep():
            return "mismatch"
        case _:
            return "sql"
