"""What PostgreSQL's own parser says of a statement: its kind, its relations, its ALTER TABLE actions."""

# The oracle's stubs say of every field that it may be None; a tree that was parsed has them.
# mypy: disable-error-code="union-attr,arg-type"

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast, parser
from pglast.enums import AlterTableType as At
from pglast.enums import DiscardMode
from pglast.enums import ObjectType as Kind

from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True)
class Seen:
    """What a statement is, by whoever read it."""

    tag: str
    relations: frozenset[Name]
    actions: tuple[str, ...] = ()


def accepts(sql: str) -> bool:
    """Whether PostgreSQL 18's parser reads this text."""
    try:
        parser.parse_sql(sql)
    except (parser.ParseError, UnicodeDecodeError):
        return False
    return True


def see(sql: str) -> Seen:
    """What the oracle sees in exactly one statement."""
    (raw,) = parser.parse_sql(sql)
    return _see(raw.stmt)


_WORDS = {
    Kind.OBJECT_ACCESS_METHOD: "ACCESS METHOD",
    Kind.OBJECT_DATABASE: "DATABASE",
    Kind.OBJECT_EVENT_TRIGGER: "EVENT TRIGGER",
    Kind.OBJECT_FDW: "FOREIGN DATA WRAPPER",
    Kind.OBJECT_FOREIGN_SERVER: "SERVER",
    Kind.OBJECT_FOREIGN_TABLE: "FOREIGN TABLE",
    Kind.OBJECT_MATVIEW: "MATERIALIZED VIEW",
    Kind.OBJECT_OPCLASS: "OPERATOR CLASS",
    Kind.OBJECT_OPFAMILY: "OPERATOR FAMILY",
    Kind.OBJECT_STATISTIC_EXT: "STATISTICS",
    Kind.OBJECT_TSCONFIGURATION: "TEXT SEARCH",
    Kind.OBJECT_TSDICTIONARY: "TEXT SEARCH",
    Kind.OBJECT_TSPARSER: "TEXT SEARCH",
    Kind.OBJECT_TSTEMPLATE: "TEXT SEARCH",
    Kind.OBJECT_DOMCONSTRAINT: "DOMAIN",
    Kind.OBJECT_TABCONSTRAINT: "TABLE",
    Kind.OBJECT_COLUMN: "TABLE",
    Kind.OBJECT_ATTRIBUTE: "TYPE",
    Kind.OBJECT_USER_MAPPING: "USER MAPPING",
}


def word_of(kind: int) -> str:
    """The words for a kind of object."""
    kind = Kind(kind)
    return _WORDS.get(kind, kind.name.removeprefix("OBJECT_").replace("_", " "))


_RELATIONS = {
    Kind.OBJECT_FOREIGN_TABLE,
    Kind.OBJECT_INDEX,
    Kind.OBJECT_MATVIEW,
    Kind.OBJECT_TABLE,
    Kind.OBJECT_VIEW,
}
_TAGS = {
    ast.AlterDatabaseStmt: "ALTER DATABASE",
    ast.AlterDatabaseSetStmt: "ALTER DATABASE",
    ast.AlterDatabaseRefreshCollStmt: "ALTER DATABASE",
    ast.AlterCollationStmt: "ALTER COLLATION",
    ast.AlterDefaultPrivilegesStmt: "ALTER DEFAULT PRIVILEGES",
    ast.AlterDomainStmt: "ALTER DOMAIN",
    ast.AlterEnumStmt: "ALTER TYPE",
    ast.AlterEventTrigStmt: "ALTER EVENT TRIGGER",
    ast.AlterExtensionStmt: "ALTER EXTENSION",
    ast.AlterExtensionContentsStmt: "ALTER EXTENSION",
    ast.AlterFdwStmt: "ALTER FOREIGN DATA WRAPPER",
    ast.AlterForeignServerStmt: "ALTER SERVER",
    ast.AlterOpFamilyStmt: "ALTER OPERATOR FAMILY",
    ast.AlterOperatorStmt: "ALTER OPERATOR",
    ast.AlterPolicyStmt: "ALTER POLICY",
    ast.AlterPublicationStmt: "ALTER PUBLICATION",
    ast.AlterSeqStmt: "ALTER SEQUENCE",
    ast.AlterStatsStmt: "ALTER STATISTICS",
    ast.AlterSubscriptionStmt: "ALTER SUBSCRIPTION",
    ast.AlterSystemStmt: "ALTER SYSTEM",
    ast.AlterTSConfigurationStmt: "ALTER TEXT SEARCH",
    ast.AlterTSDictionaryStmt: "ALTER TEXT SEARCH",
    ast.AlterTableSpaceOptionsStmt: "ALTER TABLESPACE",
    ast.AlterTypeStmt: "ALTER TYPE",
    ast.AlterUserMappingStmt: "ALTER USER MAPPING",
    ast.CallStmt: "CALL",
    ast.CheckPointStmt: "CHECKPOINT",
    ast.ClosePortalStmt: "CLOSE",
    ast.ClusterStmt: "CLUSTER",
    ast.CommentStmt: "COMMENT",
    ast.CompositeTypeStmt: "CREATE TYPE",
    ast.ConstraintsSetStmt: "SET CONSTRAINTS",
    ast.CreateAmStmt: "CREATE ACCESS METHOD",
    ast.CreateCastStmt: "CREATE CAST",
    ast.CreateConversionStmt: "CREATE CONVERSION",
    ast.CreateDomainStmt: "CREATE DOMAIN",
    ast.CreateEnumStmt: "CREATE TYPE",
    ast.CreateEventTrigStmt: "CREATE EVENT TRIGGER",
    ast.CreateExtensionStmt: "CREATE EXTENSION",
    ast.CreateFdwStmt: "CREATE FOREIGN DATA WRAPPER",
    ast.CreateForeignServerStmt: "CREATE SERVER",
    ast.CreateForeignTableStmt: "CREATE FOREIGN TABLE",
    ast.CreateOpClassStmt: "CREATE OPERATOR CLASS",
    ast.CreateOpFamilyStmt: "CREATE OPERATOR FAMILY",
    ast.CreatePLangStmt: "CREATE LANGUAGE",
    ast.CreatePolicyStmt: "CREATE POLICY",
    ast.CreatePublicationStmt: "CREATE PUBLICATION",
    ast.CreateRangeStmt: "CREATE TYPE",
    ast.CreateSchemaStmt: "CREATE SCHEMA",
    ast.CreateSeqStmt: "CREATE SEQUENCE",
    ast.CreateStatsStmt: "CREATE STATISTICS",
    ast.CreateStmt: "CREATE TABLE",
    ast.CreateSubscriptionStmt: "CREATE SUBSCRIPTION",
    ast.CreateTableSpaceStmt: "CREATE TABLESPACE",
    ast.CreateTransformStmt: "CREATE TRANSFORM",
    ast.CreateTrigStmt: "CREATE TRIGGER",
    ast.CreateUserMappingStmt: "CREATE USER MAPPING",
    ast.CreatedbStmt: "CREATE DATABASE",
    ast.DeallocateStmt: "DEALLOCATE",
    ast.DeclareCursorStmt: "DECLARE CURSOR",
    ast.DeleteStmt: "DELETE",
    ast.DoStmt: "DO",
    ast.DropOwnedStmt: "DROP OWNED",
    ast.DropRoleStmt: "DROP ROLE",
    ast.DropSubscriptionStmt: "DROP SUBSCRIPTION",
    ast.DropTableSpaceStmt: "DROP TABLESPACE",
    ast.DropUserMappingStmt: "DROP USER MAPPING",
    ast.DropdbStmt: "DROP DATABASE",
    ast.ExecuteStmt: "EXECUTE",
    ast.ImportForeignSchemaStmt: "IMPORT FOREIGN SCHEMA",
    ast.IndexStmt: "CREATE INDEX",
    ast.InsertStmt: "INSERT",
    ast.ListenStmt: "LISTEN",
    ast.LoadStmt: "LOAD",
    ast.LockStmt: "LOCK",
    ast.MergeStmt: "INSERT",
    ast.NotifyStmt: "NOTIFY",
    ast.PrepareStmt: "PREPARE",
    ast.ReassignOwnedStmt: "REASSIGN OWNED",
    ast.RefreshMatViewStmt: "REFRESH MATERIALIZED VIEW",
    ast.ReindexStmt: "REINDEX",
    ast.RuleStmt: "CREATE RULE",
    ast.SecLabelStmt: "SECURITY LABEL",
    ast.SelectStmt: "SELECT",
    ast.TruncateStmt: "TRUNCATE",
    ast.UnlistenStmt: "UNLISTEN",
    ast.UpdateStmt: "UPDATE",
    ast.VariableShowStmt: "SELECT",
    ast.ViewStmt: "CREATE VIEW",
}


def _see(node: Any) -> Seen:  # noqa: C901, PLR0911, PLR0912 -- one flat table: node, what it is
    match node:
        case ast.AlterTableStmt():
            actions = tuple(_action(c) for c in node.cmds)
            relations = _named(node.relation) if node.objtype != Kind.OBJECT_TYPE else frozenset()
            actions = actions if relations and node.objtype != Kind.OBJECT_SEQUENCE else ()
            return Seen(f"ALTER {word_of(node.objtype)}", relations, actions)
        case ast.RenameStmt():
            return _renamed(node)
        case ast.AlterObjectSchemaStmt():
            action = ("SET SCHEMA",) if node.objectType in _RELATIONS else ()
            return Seen(f"ALTER {word_of(node.objectType)}", _named(node.relation), action)
        case ast.AlterOwnerStmt():
            return Seen(f"ALTER {word_of(node.objectType)}", frozenset())
        case ast.AlterObjectDependsStmt():
            relation = node.relation
            return Seen(f"ALTER {word_of(node.objectType)}", _named(relation))
        case ast.AlterTableMoveAllStmt():
            return Seen(f"ALTER {word_of(node.objtype)} ALL IN TABLESPACE", frozenset())
        case ast.DropStmt():
            return _dropped(node)
        case ast.TransactionStmt():
            return Seen("TRANSACTION", frozenset())
        case ast.VariableSetStmt():
            return Seen("SET", frozenset())
        case ast.DiscardStmt():
            return Seen("SET" if node.target == DiscardMode.DISCARD_ALL else "DISCARD", frozenset())
        case ast.GrantStmt() | ast.GrantRoleStmt():
            return Seen("GRANT" if node.is_grant else "REVOKE", _relations(node))
        case ast.CreateTableAsStmt():
            tag = f"CREATE {word_of(node.objtype)}"
            return Seen(tag, _named(node.into.rel) | read_by(node.query))
        case ast.SelectStmt() if node.intoClause:
            return Seen("CREATE TABLE", read_by(node))
        case ast.ViewStmt():
            return Seen("CREATE VIEW", _named(node.view) | read_by(node.query))
        case ast.ExplainStmt():
            analyze = any(o.defname == "analyze" and not _is_off(o.arg) for o in node.options or ())
            return _see(node.query) if analyze else Seen("SELECT", frozenset())
        case ast.CopyStmt() if node.query is not None:
            return _see(node.query)
        case ast.CopyStmt():
            tag = "INSERT" if node.is_from else "SELECT"
            return Seen(tag, _named(node.relation))
        case _:
            return _by_class(node)


def _by_class(node: Any) -> Seen:  # noqa: C901, PLR0911, PLR0912 -- the same table, continued
    match node:
        case ast.SelectStmt():
            return Seen("SELECT", read_by(node))
        case ast.VacuumStmt():
            names = frozenset().union(*(_named(r.relation) for r in node.rels or ()))
            return Seen("VACUUM" if node.is_vacuumcmd else "ANALYZE", names)
        case ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt() | ast.MergeStmt():
            return Seen(_TAGS[type(node)], _named(node.relation) | _changed_in_with(node))
        case ast.FetchStmt():
            return Seen("MOVE" if node.ismove else "FETCH", frozenset())
        case ast.CreateFunctionStmt():
            return Seen("CREATE PROCEDURE" if node.is_procedure else "CREATE FUNCTION", frozenset())
        case ast.AlterFunctionStmt():
            return Seen(f"ALTER {word_of(node.objtype)}", frozenset())
        case ast.DefineStmt():
            return Seen(f"CREATE {word_of(node.kind)}", frozenset())
        case ast.CreateRoleStmt():
            return Seen(f"CREATE {node.stmt_type.name.removeprefix('ROLESTMT_')}", frozenset())
        case ast.AlterRoleStmt() | ast.AlterRoleSetStmt():
            return Seen("ALTER ROLE", frozenset())
        case ast.CommentStmt() | ast.SecLabelStmt():
            return Seen(_TAGS[type(node)], _commented(node))
        case ast.CreateStmt() | ast.CreateForeignTableStmt():
            base = node.base if isinstance(node, ast.CreateForeignTableStmt) else node
            return Seen(_TAGS[type(node)], _named(base.relation))
        case ast.CreatePublicationStmt() | ast.AlterPublicationStmt():
            return Seen(_TAGS[type(node)], frozenset())
        case ast.CreateSeqStmt() | ast.AlterSeqStmt():
            return Seen(_TAGS[type(node)], _named(node.sequence))
        case ast.PrepareStmt() | ast.DeclareCursorStmt() | ast.ConstraintsSetStmt():
            return Seen(_TAGS[type(node)], frozenset())
        case ast.CreateSchemaStmt():
            inner = frozenset().union(*(_see(each).relations for each in node.schemaElts or ()))
            return Seen("CREATE SCHEMA", frozenset(Name(name.name) for name in inner))
        case ast.IndexStmt() | ast.RuleStmt() | ast.CreateTrigStmt() | ast.ReindexStmt() | ast.ClusterStmt():
            return Seen(_TAGS[type(node)], _named(node.relation))
        case ast.RefreshMatViewStmt():
            return Seen(_TAGS[type(node)], _named(node.relation))
        case ast.CreatePolicyStmt() | ast.AlterPolicyStmt():
            return Seen(_TAGS[type(node)], _named(node.table))
        case ast.LockStmt() | ast.TruncateStmt() | ast.CreateStatsStmt():
            return Seen(_TAGS[type(node)], frozenset().union(*(_named(r) for r in node.relations)))
        case _:
            return Seen(_TAGS[type(node)], frozenset())


def name_of(node: ast.RangeVar) -> Name:
    """The name of a relation."""
    return Name(node.relname, node.schemaname)


def _is_off(value: Any) -> bool:
    return value is not None and str(getattr(value, "sval", getattr(value, "ival", ""))) in {
        "false",
        "off",
        "0",
    }


def _changed_in_with(node: Any) -> frozenset[Name]:
    """The tables that WITH queries change."""
    found: frozenset[Name] = frozenset()
    for each in node.withClause.ctes if node.withClause else ():
        query = each.ctequery
        if not isinstance(query, ast.SelectStmt):
            found |= _named(query.relation) | _changed_in_with(query)
        else:
            found |= _changed_in_with(query)
    return found


def _named(node: ast.RangeVar | None) -> frozenset[Name]:
    return frozenset({name_of(node)}) if isinstance(node, ast.RangeVar) else frozenset()


def _relations(node: ast.GrantStmt | ast.GrantRoleStmt) -> frozenset[Name]:
    objects = getattr(node, "objects", None) or ()
    return frozenset(name_of(each) for each in objects if isinstance(each, ast.RangeVar))


def _parts(items: Any) -> tuple[str, ...]:
    return tuple(item.sval for item in items)


def _commented(node: Any) -> frozenset[Name]:
    parts = (
        _parts(node.object)
        if isinstance(node.object, tuple) and all(isinstance(x, ast.String) for x in node.object)
        else ()
    )
    match Kind(node.objtype):
        case Kind.OBJECT_TABLE | Kind.OBJECT_VIEW | Kind.OBJECT_MATVIEW | Kind.OBJECT_FOREIGN_TABLE:
            pass
        case Kind.OBJECT_COLUMN | Kind.OBJECT_TABCONSTRAINT | Kind.OBJECT_TRIGGER | Kind.OBJECT_RULE:
            parts = parts[:-1]
        case Kind.OBJECT_POLICY:
            parts = parts[:-1]
        case _:
            return frozenset()
    return frozenset({Name(parts[-1], parts[-2] if len(parts) > 1 else None)}) if parts else frozenset()


def _dropped(node: ast.DropStmt) -> Seen:
    kind = Kind(node.removeType)
    tag = f"DROP {word_of(kind)}"
    names = set()
    for each in node.objects:
        parts = (
            _parts(each) if isinstance(each, tuple) and all(isinstance(x, ast.String) for x in each) else ()
        )
        if kind in {Kind.OBJECT_TRIGGER, Kind.OBJECT_RULE, Kind.OBJECT_POLICY}:
            parts = parts[:-1]
        elif kind not in {
            Kind.OBJECT_TABLE,
            Kind.OBJECT_VIEW,
            Kind.OBJECT_MATVIEW,
            Kind.OBJECT_FOREIGN_TABLE,
            Kind.OBJECT_INDEX,
            Kind.OBJECT_SEQUENCE,
        }:
            continue
        names.add(Name(parts[-1], parts[-2] if len(parts) > 1 else None))
    return Seen(tag, frozenset(names))


def _renamed(node: ast.RenameStmt) -> Seen:
    kind = Kind(node.renameType)
    if kind in {Kind.OBJECT_COLUMN, Kind.OBJECT_ATTRIBUTE}:
        tag = f"ALTER {word_of(node.relationType)}"
        if kind is Kind.OBJECT_ATTRIBUTE:
            return Seen(tag, frozenset())
        return Seen(tag, _named(node.relation), ("RENAME COLUMN",))
    if kind is Kind.OBJECT_TABCONSTRAINT:
        return Seen("ALTER TABLE", _named(node.relation), ("RENAME CONSTRAINT",))
    if kind in {Kind.OBJECT_RULE, Kind.OBJECT_TRIGGER, Kind.OBJECT_POLICY}:
        return Seen(f"ALTER {word_of(kind)}", _named(node.relation))
    if kind is Kind.OBJECT_ROLE:
        return Seen("ALTER ROLE", frozenset())
    action = ("RENAME TO",) if kind in _RELATIONS else ()
    return Seen(f"ALTER {word_of(kind)}", _named(node.relation), action)


def _action(command: ast.AlterTableCmd) -> str:
    kind = At(command.subtype)
    return kind.name


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, ast.Node):
        for key in node:
            yield getattr(node, key)


def read_by(node: Any, hidden: frozenset[str] = frozenset()) -> frozenset[Name]:
    """The relations that a query names, names of WITH queries left out where they are known."""
    if isinstance(node, ast.RangeVar):
        return (
            frozenset() if node.schemaname is None and node.relname in hidden else frozenset({name_of(node)})
        )
    found: frozenset[Name] = frozenset()
    with_clause = getattr(node, "withClause", None)
    if with_clause is not None:
        names = [cte.ctename for cte in with_clause.ctes]
        for index, cte in enumerate(with_clause.ctes):
            visible = names if with_clause.recursive else names[:index]
            found |= read_by(cte.ctequery, hidden | set(visible))
        hidden = hidden | set(names)
    if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt):
        target = node.relation
        found |= _named(target)
        for key in node:
            if key not in {"relation", "withClause"}:
                found |= read_by(getattr(node, key), hidden)
        return found
    if isinstance(node, ast.LockingClause):
        return found
    for child in _children(node):
        if not isinstance(child, ast.WithClause):
            found |= read_by(child, hidden)
    return found
