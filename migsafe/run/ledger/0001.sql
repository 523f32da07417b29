-- The ledger, version 1. The schema exists already. Whoever runs migsafe owns all of it; everybody else
-- may call note_sync() from a trigger and nothing more. No credentials are ever written here.

CREATE TABLE migsafe.meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE migsafe.rollout (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    plan text NOT NULL,
    fingerprint text NOT NULL,
    stage text NOT NULL DEFAULT 'planned',
    state text NOT NULL DEFAULT 'running',
    request text,
    reason text NOT NULL DEFAULT '',
    green_percent integer NOT NULL DEFAULT 0 CHECK (green_percent BETWEEN 0 AND 100),
    intended_green_percent integer NOT NULL DEFAULT 0 CHECK (intended_green_percent BETWEEN 0 AND 100),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stage_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The right to act on a rollout. Transactions of the holder take the row FOR KEY SHARE, which a beat does
-- not disturb; a takeover takes it FOR UPDATE, so it waits for them, and they see its token afterwards.
CREATE TABLE migsafe.lease (
    rollout_id bigint PRIMARY KEY REFERENCES migsafe.rollout,
    token bigint NOT NULL DEFAULT 0,
    holder jsonb,
    acquired_at timestamptz,
    beat_at timestamptz,
    expires_at timestamptz
) WITH (fillfactor = 50);

CREATE TABLE migsafe.step (
    rollout_id bigint NOT NULL REFERENCES migsafe.rollout,
    id text NOT NULL,
    position integer NOT NULL,
    stage text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    cursor jsonb,
    progress jsonb,  -- pages done and to do, and speeds, as of the last batch
    rows bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    error text,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rollout_id, id)
) WITH (fillfactor = 20);  -- every batch updates its row: leave room, so that it stays in its page

CREATE TABLE migsafe.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollout_id bigint NOT NULL REFERENCES migsafe.rollout,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    actor text NOT NULL DEFAULT session_user
);

-- Written by triggers inside the application's own transactions: insert only, nothing to wait for.
CREATE TABLE migsafe.sync_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rollout text NOT NULL,
    relation text NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX sync_event_rollout ON migsafe.sync_event (rollout, kind);

CREATE FUNCTION migsafe.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'migsafe.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON migsafe.audit
    FOR EACH STATEMENT EXECUTE FUNCTION migsafe.refuse_change();

-- Sync triggers call it when a value cannot be represented, or both sides were written and differ. It
-- runs with the ledger's rights, so that the application needs none, and does nothing outside a trigger.
CREATE FUNCTION migsafe.note_sync(rollout text, relation text, kind text, detail text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_catalog.pg_trigger_depth() = 0 THEN
        RETURN;
    END IF;
    INSERT INTO migsafe.sync_event (rollout, relation, kind, detail)
    VALUES (
        coalesce(rollout, ''), coalesce(relation, ''), coalesce(kind, ''),
        pg_catalog.left(coalesce(detail, ''), 1000)
    );
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA migsafe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA migsafe FROM PUBLIC;
GRANT EXECUTE ON FUNCTION migsafe.note_sync(text, text, text, text) TO PUBLIC;
GRANT USAGE ON SCHEMA migsafe TO PUBLIC;
