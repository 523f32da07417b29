"""Conversions that nobody here can see through: functions that never fail, made for one rollout.

A text that becomes a date, or an expression of a person's own, may fail for some values. The functions catch
that: no statement of the application fails because of it, and it can be asked of a value whether it fits.
They run with settings of their own, so that every session gets the same result.
https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-ERROR-TRAPPING
"""

from dataclasses import dataclass

from migsafe.plan.conversion.conversions import Conversion, fill, type_sql
from migsafe.plan.model import DownMap
from migsafe.plan.replace.replacement import Helpers
from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import TypeName

_CAUGHT = (
    "data_exception OR integrity_constraint_violation OR raise_exception OR feature_not_supported "
    "OR program_limit_exceeded"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A conversion to be guarded: `up` and `down` are templates; without `down` there is no way back."""

    old: TypeName
    new: TypeName
    up: str
    down: str | None
    base: str  # what the functions are named after
    tag: str
    search_path: tuple[str, ...]

    def conversion(self) -> Conversion:
        """The conversion by the functions."""
        up, fits, down = (self._name(kind).sql for kind in ("up", "fits", "down"))
        back = Conversion(down="NULL", fits="{value} IS NULL", down_map=DownMap.NONE)
        if self.down is not None:
            back = Conversion(
                down=f"{down}({{value}})",
                fits=f"({{value}} IS NULL OR {down}({{value}}) IS NOT NULL)",
                down_map=DownMap.LOSSY,
            )
        return Conversion(
            up=f"{up}({{value}})",
            up_fits=f"({{value}} IS NULL OR {fits}({{value}}))",
            down=back.down,
            fits=back.fits,
            down_map=back.down_map,
        )

    def helpers(self) -> Helpers:
        """The functions; before them each expression is tried on NULL.

        A type or a name that is wrong in it must be found before anything is changed.
        """
        probes = [self._probe(self.up, self.old)]
        create = [self._convert("up", self.up, self.old, self.new), self._fits()]
        kinds = [("up", self.old), ("fits", self.old)]
        if self.down is not None:
            probes.append(self._probe(self.down, self.new))
            create.append(self._convert("down", self.down, self.new, self.old))
            kinds.append(("down", self.new))
        drop = (f"DROP FUNCTION IF EXISTS {self._name(kind).sql}({type_sql(of)})" for kind, of in kinds)
        return Helpers(create=(*probes, *create), drop=tuple(drop))

    def _name(self, kind: str) -> Name:
        return Name(bounded(kind, self.base, self.tag), LEDGER_SCHEMA)

    def _probe(self, template: str, of: TypeName) -> str:
        return f"SELECT {fill(template, f'NULL::{type_sql(of)}')}"

    def _convert(self, kind: str, template: str, of: TypeName, to: TypeName) -> str:
        body = (
            f"DECLARE\n    result {type_sql(to)};\nBEGIN\n    result := {fill(template, '$1')};\n"
            f"    RETURN result;\nEXCEPTION WHEN {_CAUGHT} THEN\n    RETURN NULL;\nEND"
        )
        return self._function(kind, of, type_sql(to), body)

    def _fits(self) -> str:
        body = (
            f"DECLARE\n    result {type_sql(self.new)};\nBEGIN\n    result := {fill(self.up, '$1')};\n"
            f"    RETURN true;\nEXCEPTION WHEN {_CAUGHT} THEN\n    RETURN false;\nEND"
        )
        return self._function("fits", self.old, "boolean", body)

    def _function(self, kind: str, of: TypeName, returns: str, body: str) -> str:
        path = ", ".join(quote_identifier(schema) for schema in self.search_path) or "pg_catalog"
        return (
            f"CREATE FUNCTION {self._name(kind).sql}({type_sql(of)}) RETURNS {returns}\n"
            f"LANGUAGE plpgsql STABLE SET search_path = {path} SET timezone = 'UTC' "
            f"SET datestyle = 'ISO, MDY'\nAS $migsafe$\n{body}\n$migsafe$"
        )
