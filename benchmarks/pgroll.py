"""The triggers of pgroll, for the benchmarks: written after a description of their shape."""

PGROLL = """
CREATE FUNCTION pgroll_{direction}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    id public.t.id%TYPE := NEW.id;
    {old} public.t.{old}%TYPE := NEW.{old};
    a public.t.a%TYPE := NEW.a;
    b public.t.b%TYPE := NEW.b;
    filler public.t.filler%TYPE := NEW.filler;
    {new} public.t.{new}%TYPE := NEW.{new};
    latest_schema text := 'public_02_change';
    search_path text;
BEGIN
    SELECT current_setting('search_path') INTO search_path;
    IF search_path {sign} latest_schema THEN
        NEW.{target} = {expression};
    END IF;
    NEW._pgroll_needs_backfill = false;
    RETURN NEW;
END $$;
CREATE TRIGGER pgroll_{direction} BEFORE INSERT OR UPDATE ON t FOR EACH ROW
    EXECUTE FUNCTION pgroll_{direction}();
"""
