"""What rules can ask about one operation in its context: flat, typed, named for TOML.

A key of a rule's [[when]] is the name of a field here. Text facts without a fixed set of values are
"" when they do not apply; such a fact mostly serves a rule's `message`.
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

from migsafe.sql import operations
from migsafe.sql.operations import Operation

ConstraintWord = Literal["none", "check", "not_null", "unique", "primary_key", "foreign_key", "exclude"]
GeneratedWord = Literal["none", "identity", "stored", "virtual"]
BlocksWord = Literal["none", "writes", "reads and writes"]
TimeoutWord = Literal["set", "off"]
CommentWord = Literal["none", "malformed", "unknown_rule", "unused"]
PhaseWord = Literal["undeclared", "expand", "backfill", "contract"]
# What a comment for migsafe says is judged as if it were an operation of this kind.
COMMENT = "comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One operation, what it does, and what is known where it stands."""

    op: str

    # Names, for messages.
    table: str = ""
    column: str = ""
    new_name: str = ""
    constraint: str = ""
    index: str = ""
    data_type: str = ""
    tag: str = ""
    reason: str = ""
    whole_file: bool = False

    # What it does (effects). `locked` names tables that others use; `strong_lock`: SHARE or stronger on one.
    lock: str = "none"
    locked: str = ""
    strong_lock: bool = False
    rewrites: bool = False
    scans: bool = False
    builds_index: bool = False
    blocks: BlocksWord = "none"
    needs_no_transaction: bool = False
    old_version_works: bool = True
    new_version_works: bool = True

    # The table. `table_created_here`: made by this very script, or temporary: nobody else uses it yet.
    table_created_here: bool = False
    table_known_empty: bool = False
    table_temporary: bool = False

    # The column that is added, with its inline constraints.
    not_null: bool = False
    has_default: bool = False
    default_volatile: bool = False
    serial: bool = False
    generated: GeneratedWord = "none"
    inline_check: bool = False
    inline_unique: bool = False
    inline_primary_key: bool = False
    inline_foreign_key: bool = False

    # The constraint that is added or validated.
    constraint_kind: ConstraintWord = "none"
    not_valid: bool = False
    not_enforced: bool = False
    using_index: bool = False
    constraint_added_in_transaction: bool = False

    # Options of the statement.
    concurrently: bool = False
    finalize: bool = False
    cascade: bool = False
    has_where: bool = False

    # The transaction, and the settings in effect when the statement starts.
    in_transaction: bool = False
    lock_timeout: TimeoutWord = "off"
    first_without_lock_timeout: bool = False
    beside_ddl: bool = False

    # The script: what it declares, and what is wrong with a comment in it (`reason` says it in words).
    # `expanded_beside` is what the same release gives to the new version, in words.
    phase: PhaseWord = "undeclared"
    expand_in_release: bool = False
    expanded_beside: str = ""
    comment: CommentWord = "none"


@cache
def fact_types() -> dict[str, type[bool] | tuple[str, ...]]:
    """Every fact's name with `bool`, or the words it can have (empty: any text)."""
    hints = get_type_hints(Facts)
    return {field.name: _kind_of(field.name, hints[field.name]) for field in fields(Facts)}


def _kind_of(name: str, hint: object) -> type[bool] | tuple[str, ...]:
    if name == "op":
        return operation_kinds()
    if hint is bool:
        return bool
    if get_origin(hint) is Literal:
        return get_args(hint)
    return ()


@cache
def operation_kinds() -> tuple[str, ...]:
    """The names of all operations, as rules write them."""
    abstract = {Operation, operations.TableOperation}
    classes = (value for value in vars(operations).values() if isinstance(value, type))
    kinds = {
        cls.kind.fget(object.__new__(cls))  # type: ignore[attr-defined]  # the property needs no fields
        for cls in classes
        if issubclass(cls, Operation) and cls not in abstract
    }
    return tuple(sorted(kinds | {COMMENT}))
