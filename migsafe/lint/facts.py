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
ChangeWord = Literal["none", "create", "replace", "drop", "rename", "move", "attribute", "label", "alter"]
RefusalWord = Literal[
    "none",
    "existence",
    "key not valid",
    "constraint index",
    "partitioned concurrently",
    "default partition",
    "partition key",
    "other",
]

# What CREATE TABLE holds is observed one by one, besides the operation itself.
PARTS = ("table_column", "table_constraint")


@dataclass(slots=True, kw_only=True)
class Facts:
    """One operation, what it does, and what is known where it stands.

    The observers fill it in, one theme after the other; afterwards it is only read. (A frozen value made
    anew for each theme takes longer than all the rest of the linter.)
    """

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
    object: str = ""
    object_kind: str = ""  # its SQL keyword in upper case: MATERIALIZED VIEW

    # What it does (effects). `locked` names tables that others use; `strong_lock`: SHARE or stronger on one.
    # `also_locked` are those of them that are not the table it is about.
    lock: str = "none"
    locked: str = ""
    also_locked: str = ""
    strong_lock: bool = False
    locks_another_table: bool = False
    locks_several_others: bool = False
    rewrites: bool = False
    scans: bool = False
    builds_index: bool = False
    takes_long: bool = False  # as long as tables are big, or as somebody else's code likes
    blocks: BlocksWord = "none"
    needs_no_transaction: bool = False
    old_version_works: bool = True
    new_version_works: bool = True

    # Why the server refuses it for certain. "existence": something is there already, or is not there.
    refused_for: RefusalWord = "none"
    refusal: str = ""
    uses_new_enum_value: bool = False

    # The table. `table_created_here`: made by this very script, or temporary: nobody else uses it yet.
    table_created_here: bool = False
    table_temporary: bool = False
    table_partitioned: bool = False
    # From a live server. `table_small`: the configuration says so, by name or by number of rows.
    table_small: bool = False
    table_rows: str = ""
    table_size: str = ""
    estimate: str = ""  # how long it may take, of what is rewritten, scanned or built

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
    base_type: str = ""  # PostgreSQL's own name, without modifiers: "character varying"
    type_limited: bool = False  # it has modifiers, such as a length
    in_primary_key: bool = False
    column_created_here: bool = False  # by this very script or by a plan, so no running version knows it
    name_kept: bool = False  # its transaction gives the name to another column or table

    # The column whose type changes.
    narrows: bool = False

    # The constraint that is added, dropped or validated.
    constraint_kind: ConstraintWord = "none"
    not_valid: bool = False
    not_enforced: bool = False
    using_index: bool = False
    constraint_added_in_transaction: bool = False
    constraint_unnamed: bool = False
    constraint_spare: bool = False  # what it says is said by something else too
    check_varies: bool = False  # its result depends on the time, the session or chance
    cascades_deletes: bool = False
    key_unindexed: bool = False
    key_narrower: bool = False
    references: str = ""

    # The index.
    index_unique: bool = False
    index_wide: bool = False
    index_unnamed: bool = False
    index_redundant: bool = False
    covered_by: str = ""
    index_of_constraint: bool = False

    # The table that is created; `default_partition` also of one that loses a partition.
    has_primary_key: bool = False
    is_partition: bool = False
    default_partition: bool = False
    partition_checked: bool = False  # a constraint may prove that all rows belong into the partition
    as_query: bool = False
    copies_table: bool = False  # LIKE, INHERITS or OF: its keys come from there

    # What happens to another object: view, function, type, sequence, schema ...
    change: ChangeWord = "none"
    object_created_here: bool = False
    object_internal: bool = False  # nothing that an application can name: a trigger's function
    recreated_later: bool = False
    unique_later: bool = False  # another unique index or key on the same columns comes
    gone_later: bool = False  # what it belonged to is dropped by the same script
    label_placed: bool = False
    creates_enum: bool = False

    # Options of the statement.
    concurrently: bool = False
    if_not_exists: bool = False
    finalize: bool = False
    cascade: bool = False
    has_where: bool = False
    repeatable: bool = True  # running it a second time does not fail

    # Security and replication.
    definer_without_path: bool = False
    to_public: bool = False
    powerful_role: bool = False
    has_policy: bool = False
    instead_rule: bool = False
    version_pinned: bool = False
    drops_part: bool = False

    # Settings.
    sets_default: bool = False  # for sessions to come: ALTER DATABASE or ROLE ... SET
    restarts: bool = False
    autovacuum_off: bool = False

    # Names that are given here.
    given_name: str = ""
    name_cut: bool = False
    name_mixed: bool = False
    name_reserved: bool = False
    name_unqualified: bool = False

    # The transaction, and the settings in effect when the statement starts. `held` are strong locks that
    # earlier statements of the transaction took on tables that others use.
    in_transaction: bool = False
    tool_transaction: bool = False
    to_savepoint: bool = False
    left_open: bool = False
    left_half_done: bool = False  # the first that a second run fails at, if what comes after its COMMIT fails
    holds_lock: bool = False
    held: str = ""
    locks_second_table: bool = False
    first_second_table: bool = False  # of its transaction, for what is said once
    first_work_under_lock: bool = False
    lock_timeout: TimeoutWord = "off"
    lock_timeout_long: bool = False
    statement_timeout: TimeoutWord = "off"
    first_without_lock_timeout: bool = False
    first_without_statement_timeout: bool = False
    first_with_long_lock_timeout: bool = False
    # A step of a plan: all locks of an attempt have one deadline below deadlock_timeout, and it is tried
    # again; the plan says what going back costs.
    in_plan: bool = False
    beside_ddl: bool = False
    altered_again: bool = False
    only_statement: bool = False

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
        return (*operation_kinds(), *PARTS)
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
