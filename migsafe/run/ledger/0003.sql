-- The ledger, version 3: how long the application had to wait for a rollout, and the rows it could not change.

-- One row per rollout; written by the runner's guard, on a connection of its own.
CREATE TABLE migsafe.blocked (
    rollout_id bigint PRIMARY KEY REFERENCES migsafe.rollout,
    seconds double precision NOT NULL DEFAULT 0,  -- of all sessions together
    longest_seconds double precision NOT NULL DEFAULT 0,
    waits bigint NOT NULL DEFAULT 0,
    gave_way bigint NOT NULL DEFAULT 0,  -- how often a statement of ours was cancelled for somebody
    last_waiter text NOT NULL DEFAULT '',
    last_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Written in the transaction of the batch that left the row out.
CREATE TABLE migsafe.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollout_id bigint NOT NULL REFERENCES migsafe.rollout,
    step_id text NOT NULL,
    relation text NOT NULL,
    key jsonb NOT NULL,
    error text NOT NULL,
    sqlstate text NOT NULL,
    sweep integer NOT NULL,  -- the pass that met it last
    attempts integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    waived_at timestamptz,
    waived_by text,
    waived_reason text
);
-- A key may be longer than an index entry.
CREATE UNIQUE INDEX quarantine_row ON migsafe.quarantine (rollout_id, step_id, relation, md5(key::text));

REVOKE ALL ON migsafe.blocked, migsafe.quarantine FROM PUBLIC;
