-- Version 2: the pace of a rollout. What somebody set while it runs, and what its runner last saw and did.

CREATE TABLE migsafe.setting (
    rollout_id bigint NOT NULL REFERENCES migsafe.rollout,
    name text NOT NULL,
    value text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT session_user,
    PRIMARY KEY (rollout_id, name)
);

CREATE TABLE migsafe.pace (
    rollout_id bigint PRIMARY KEY REFERENCES migsafe.rollout,
    state jsonb NOT NULL DEFAULT '{}',
    throttled jsonb NOT NULL DEFAULT '{}',  -- seconds that were waited on purpose, by reason
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);  -- written about once a second: leave room, so that it stays in its page

REVOKE ALL ON migsafe.setting, migsafe.pace FROM PUBLIC;
