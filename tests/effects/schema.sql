-- The schema that statements.sql is run against, and the rows that make scans and rewrites visible.
CREATE DOMAIN positive_int AS integer CHECK (value > 0);
CREATE TYPE order_state AS ENUM ('new', 'paid');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION unheard_of() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x' $$;

CREATE TABLE accounts (
  id bigint PRIMARY KEY,
  email text,
  name varchar(50),
  age int,
  amount numeric(10, 2),
  created_at timestamp,
  note text,
  region text NOT NULL DEFAULT 'eu',
  CONSTRAINT accounts_email_ck CHECK (email IS NOT NULL)
);
ALTER TABLE accounts ADD CONSTRAINT accounts_age_ck CHECK (age > 0) NOT VALID;

CREATE TABLE shippers (id bigint PRIMARY KEY, title text CHECK (title <> ''), address cidr);
CREATE INDEX shippers_address_idx ON shippers (address);
CREATE TABLE parcels (id bigint PRIMARY KEY, shipper_id bigint REFERENCES shippers (id));

CREATE TABLE orders (
  id bigserial PRIMARY KEY,
  account_id bigint,
  code text,
  state order_state DEFAULT 'new',
  total numeric(12, 2),
  doubled numeric GENERATED ALWAYS AS (total * 2) STORED,
  CONSTRAINT orders_account_fk FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX orders_code_idx ON orders (code);

CREATE TABLE audit_log (id bigint NOT NULL, what text);
CREATE UNIQUE INDEX audit_log_id_uq ON audit_log (id);
CREATE UNIQUE INDEX audit_log_what_uq ON audit_log (what);

CREATE TABLE events (id bigint, ts timestamptz, body text) PARTITION BY RANGE (ts);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE TABLE events_2026 (id bigint, ts timestamptz, body text);
CREATE TABLE metrics (id bigint, ts timestamptz) PARTITION BY RANGE (ts);

CREATE TABLE metrics_old (id bigint, ts timestamptz);
CREATE TABLE any_log (id bigint NOT NULL, what text);

CREATE MATERIALIZED VIEW account_totals AS SELECT region, count(*) AS n FROM accounts GROUP BY region;
CREATE VIEW active_accounts AS SELECT id, email FROM accounts;

INSERT INTO accounts (id, email, name, age, amount, created_at, note)
  SELECT n, 'e' || n, 'n', 1, 1, '2024-01-01', 'x' FROM generate_series(1, 100) AS n;
INSERT INTO shippers SELECT n, 'x' FROM generate_series(1, 10) AS n;
INSERT INTO parcels SELECT n, n FROM generate_series(1, 10) AS n;
INSERT INTO orders (account_id, code, total) SELECT n, n, 1 FROM generate_series(1, 100) AS n;
INSERT INTO audit_log SELECT n, n FROM generate_series(1, 100) AS n;
INSERT INTO events SELECT n, '2024-05-05' FROM generate_series(1, 100) AS n;
INSERT INTO events SELECT n, '2025-05-05' FROM generate_series(1, 100) AS n;
INSERT INTO events_2026 SELECT n, '2026-05-05' FROM generate_series(1, 100) AS n;
