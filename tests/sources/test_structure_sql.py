"""Rails' db/structure.sql is the schema before the first script."""

from pathlib import Path

from migsafe.lint.run import read_schema
from migsafe.sql.names import Name

STRUCTURE = r"""\restrict abc
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;

CREATE TABLE public.schema_migrations (version character varying NOT NULL);
CREATE TABLE public.users (
    id bigint NOT NULL,
    email character varying(50) DEFAULT ''::character varying NOT NULL
);
CREATE SEQUENCE public.users_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;
ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX index_users_on_email ON public.users USING btree (email);

\unrestrict abc

SET search_path TO "$user", public;

INSERT INTO "schema_migrations" (version) VALUES
('20240102000000'),
('20240101000000');
"""


def test_a_structure_file_is_read_as_the_schema(tmp_path: Path) -> None:
    (tmp_path / "structure.sql").write_text(STRUCTURE, encoding="utf-8")
    catalog = read_schema(str(tmp_path / "structure.sql"))
    table = catalog.table(Name("users", "public"))
    assert table is not None
    assert [column.name for column in table.columns] == ["id", "email"]
