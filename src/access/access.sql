-- Who may see and do what.

CREATE FUNCTION leadflow.grant_access(role text, kind text, dry_run boolean DEFAULT false,
    OUT relation text, OUT privileges text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 30;
COMMENT ON FUNCTION leadflow.grant_access(text, text, boolean) IS
    'give a database role access as marketing, sales or analyst; returns its privileges on each table and view';

CREATE FUNCTION leadflow.revoke_access(role text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.revoke_access(text) IS
    'take all access back from a database role; returns the kind it had, null when none';

CREATE FUNCTION leadflow.apply_access() RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.apply_access() IS
    'part of install: bring what grant_access has granted up to date with the tables there are';

CREATE FUNCTION leadflow.form_changes_access() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.form_changes_access() IS 'trigger of leadflow.form_version';

-- What the policies of sales ask, as sub-selects that run once in a statement.

CREATE FUNCTION leadflow.my_reps() RETURNS bigint[]
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.my_reps() IS 'the active reps whose db_role is the current user';

CREATE FUNCTION leadflow.visible_lists() RETURNS bigint[]
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.visible_lists() IS
    'the lists that the current user may see as a rep: those open to the rep''s team, and those with a lead of the rep''s';

CREATE FUNCTION leadflow.visible_leads(by text) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION leadflow.visible_leads(text) IS
    'the leads that the current user may see as a rep, by being assigned, shared (members of lists open to the team) or worked (assigned once, on a stay that has ended)';
