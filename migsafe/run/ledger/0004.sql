-- Version 4: each pass of a backfill is cut into chunks, and workers go through them, on any number of hosts.

-- The number of a worker is never used again: it is the token by which a chunk knows whose it is. `token` is
-- that of the lease for the runner and its own threads, null for a process that joined by itself.
CREATE TABLE migsafe.worker (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollout_id bigint NOT NULL REFERENCES migsafe.rollout,
    token bigint,
    process jsonb NOT NULL,
    limits jsonb NOT NULL DEFAULT '[]',  -- what the runner was told about the pace of all of them
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX worker_rollout ON migsafe.worker (rollout_id);

-- Pages of one relation, `last` excluded. A batch locks the row of its chunk, so who takes a chunk over
-- waits for it. `done` counts pages, `found` and `skipped` are in the cursor.
CREATE TABLE migsafe.chunk (
    rollout_id bigint NOT NULL,
    step_id text NOT NULL,
    number integer NOT NULL,
    leaf bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),
    worker bigint,
    method text,
    cursor jsonb NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    done double precision NOT NULL DEFAULT 0,
    pages_per_second double precision NOT NULL DEFAULT 0,
    rows_per_second double precision NOT NULL DEFAULT 0,
    error text,
    updated_at timestamptz,  -- of the last batch
    PRIMARY KEY (rollout_id, step_id, number),
    FOREIGN KEY (rollout_id, step_id) REFERENCES migsafe.step ON DELETE CASCADE
) WITH (fillfactor = 20);  -- every batch updates its row: leave room, so that it stays in its page

REVOKE ALL ON migsafe.worker, migsafe.chunk FROM PUBLIC;
