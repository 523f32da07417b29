"""Whether the downgrade() that somebody wrote takes back what upgrade() did, as far as the schema tells."""

from migsafe.catalog.history import replay
from migsafe.catalog.model import Catalog
from migsafe.sources.model import Source
from migsafe.sql.script import read_script


def what_is_not_taken_back(before: Catalog, up: Source, down: Source) -> tuple[str, ...]:
    """Notes for a person. The written revisions take back what the plan did, whatever downgrade() says."""
    if down.problems:
        problem = down.problems[0]
        return (
            f"{problem.path}:{problem.line}: downgrade() was not understood ({problem.message}); the written "
            "revisions take back what the plan does.",
        )
    after = replay([(up.path, read_script(up.text))], before)
    back = replay([(down.path, read_script(down.text))], after)
    missing, left = _shape(before) - _shape(back), _shape(back) - _shape(before)
    if not missing and not left:
        return ()
    what = [f"{name} is missing" for name in sorted(missing)] + [f"{name} stays" for name in sorted(left)]
    return (
        f"{down.path}: downgrade() does not bring back the schema before upgrade() ({', '.join(what[:5])}"
        f"{', ...' if len(what) > 5 else ''}); the written revisions do.",
    )


def _shape(catalog: Catalog) -> set[str]:
    found: set[str] = set()
    for name, table in catalog.tables.items():
        found.add(f"table {name}")
        found |= {
            f"column {name}.{column.name} {column.type}{' NOT NULL' if column.not_null else ''}"
            for column in table.columns
        }
        found |= {f"index {index.name}" for index in table.indexes}
        found |= {f"constraint {each.name} of {name}" for each in table.constraints if each.name}
    return found | {f"view {name}" for name in catalog.views}
