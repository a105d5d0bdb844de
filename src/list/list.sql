-- Lists: made, refreshed, filled and emptied. Each verb takes a list by its name or by its id.

CREATE FUNCTION leadflow.create_list(
    name text,
    segment leadflow.segment DEFAULT NULL,
    cadence leadflow.cadence DEFAULT NULL,
    mode text DEFAULT 'add',
    zone text DEFAULT NULL,
    purpose text DEFAULT NULL,
    kind text DEFAULT NULL,
    talk_script text DEFAULT NULL,
    visibility text[] DEFAULT NULL,
    owner text DEFAULT NULL,
    due_after interval DEFAULT NULL,
    return_after interval DEFAULT NULL,
    max_members integer DEFAULT NULL,
    priority integer DEFAULT NULL,
    exclusive boolean DEFAULT NULL
) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.create_list(text, leadflow.segment, leadflow.cadence, text, text, text, text, text, text[], text, interval, interval, integer, integer, boolean) IS
    'make a list; returns its id';

CREATE FUNCTION leadflow.close_list(list text, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.close_list(text, text, boolean) IS
    'close a list, ending the stays on it with a reason; returns its id';

CREATE FUNCTION leadflow.close_list(list bigint, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.close_list(bigint, text, boolean) IS
    'close a list, ending the stays on it with a reason; returns its id';

CREATE FUNCTION leadflow.refresh_list(list text, as_of timestamptz DEFAULT now(), dry_run boolean DEFAULT false,
    OUT added bigint, OUT removed bigint, OUT kept bigint, OUT run_id bigint) RETURNS record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.refresh_list(text, timestamptz, boolean) IS
    'bring a list up to date with its segment as of an instant; says how many leads entered, left and stayed';

CREATE FUNCTION leadflow.refresh_list(list bigint, as_of timestamptz DEFAULT now(), dry_run boolean DEFAULT false,
    OUT added bigint, OUT removed bigint, OUT kept bigint, OUT run_id bigint) RETURNS record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.refresh_list(bigint, timestamptz, boolean) IS
    'bring a list up to date with its segment as of an instant; says how many leads entered, left and stayed';

CREATE FUNCTION leadflow.add_to_list(list text, leads leadflow.leadset, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.add_to_list(text, leadflow.leadset, text, boolean) IS
    'put leads on a list by hand, lifting what holds them off; returns how many were added';

CREATE FUNCTION leadflow.add_to_list(list bigint, leads leadflow.leadset, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.add_to_list(bigint, leadflow.leadset, text, boolean) IS
    'put leads on a list by hand, lifting what holds them off; returns how many were added';

CREATE FUNCTION leadflow.add_to_list(list text, leads leadflow.segment, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.add_to_list(text, leadflow.segment, text, boolean) IS
    'put leads on a list by hand, lifting what holds them off; returns how many were added';

CREATE FUNCTION leadflow.add_to_list(list bigint, leads leadflow.segment, reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.add_to_list(bigint, leadflow.segment, text, boolean) IS
    'put leads on a list by hand, lifting what holds them off; returns how many were added';

CREATE FUNCTION leadflow.remove_from_list(list text, leads leadflow.leadset, reason text DEFAULT NULL, hold_for interval DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.remove_from_list(text, leadflow.leadset, text, interval, boolean) IS
    'take leads off a list by hand; no refresh brings them back for hold_for, or until add_to_list when null; returns how many left';

CREATE FUNCTION leadflow.remove_from_list(list bigint, leads leadflow.leadset, reason text DEFAULT NULL, hold_for interval DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.remove_from_list(bigint, leadflow.leadset, text, interval, boolean) IS
    'take leads off a list by hand; no refresh brings them back for hold_for, or until add_to_list when null; returns how many left';

CREATE FUNCTION leadflow.remove_from_list(list text, leads leadflow.segment, reason text DEFAULT NULL, hold_for interval DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.remove_from_list(text, leadflow.segment, text, interval, boolean) IS
    'take leads off a list by hand; no refresh brings them back for hold_for, or until add_to_list when null; returns how many left';

CREATE FUNCTION leadflow.remove_from_list(list bigint, leads leadflow.segment, reason text DEFAULT NULL, hold_for interval DEFAULT NULL,
    dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.remove_from_list(bigint, leadflow.segment, text, interval, boolean) IS
    'take leads off a list by hand; no refresh brings them back for hold_for, or until add_to_list when null; returns how many left';

-- Who works whom.

CREATE FUNCTION leadflow.assign(list text, rep text, segment leadflow.segment DEFAULT NULL, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(text, text, leadflow.segment, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list text, rep text, leads leadflow.leadset, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(text, text, leadflow.leadset, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list text, rep bigint, segment leadflow.segment DEFAULT NULL, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(text, bigint, leadflow.segment, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list text, rep bigint, leads leadflow.leadset, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(text, bigint, leadflow.leadset, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list bigint, rep text, segment leadflow.segment DEFAULT NULL, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(bigint, text, leadflow.segment, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list bigint, rep text, leads leadflow.leadset, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(bigint, text, leadflow.leadset, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list bigint, rep bigint, segment leadflow.segment DEFAULT NULL, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(bigint, bigint, leadflow.segment, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.assign(list bigint, rep bigint, leads leadflow.leadset, due_on date DEFAULT NULL,
    reason text DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.assign(bigint, bigint, leadflow.leadset, date, text, boolean) IS
    'give members of a list to a rep, whoever had them; returns how many were changed';

CREATE FUNCTION leadflow.distribute(list text, strategy text DEFAULT 'even', reps text[] DEFAULT NULL,
    segment leadflow.segment DEFAULT NULL, dry_run boolean DEFAULT false, as_of timestamptz DEFAULT now(),
    OUT rep text, OUT assigned bigint, OUT queued bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.distribute(text, text, text[], leadflow.segment, boolean, timestamptz) IS
    'give the members of a list that nobody has to its reps; how many each gets, and how many wait in the queue';

CREATE FUNCTION leadflow.distribute(list text, reps bigint[], strategy text DEFAULT 'even',
    segment leadflow.segment DEFAULT NULL, dry_run boolean DEFAULT false, as_of timestamptz DEFAULT now(),
    OUT rep text, OUT assigned bigint, OUT queued bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.distribute(text, bigint[], text, leadflow.segment, boolean, timestamptz) IS
    'give the members of a list that nobody has to its reps; how many each gets, and how many wait in the queue';

CREATE FUNCTION leadflow.distribute(list bigint, strategy text DEFAULT 'even', reps text[] DEFAULT NULL,
    segment leadflow.segment DEFAULT NULL, dry_run boolean DEFAULT false, as_of timestamptz DEFAULT now(),
    OUT rep text, OUT assigned bigint, OUT queued bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.distribute(bigint, text, text[], leadflow.segment, boolean, timestamptz) IS
    'give the members of a list that nobody has to its reps; how many each gets, and how many wait in the queue';

CREATE FUNCTION leadflow.distribute(list bigint, reps bigint[], strategy text DEFAULT 'even',
    segment leadflow.segment DEFAULT NULL, dry_run boolean DEFAULT false, as_of timestamptz DEFAULT now(),
    OUT rep text, OUT assigned bigint, OUT queued bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.distribute(bigint, bigint[], text, leadflow.segment, boolean, timestamptz) IS
    'give the members of a list that nobody has to its reps; how many each gets, and how many wait in the queue';

CREATE FUNCTION leadflow.log_assignments() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.log_assignments() IS
    'trigger after an UPDATE of members: log those who were given to another rep';

CREATE FUNCTION leadflow.next_lead(list text, rep text,
    OUT lead_id bigint, OUT member_id bigint, OUT list_name text, OUT company text, OUT department text,
    OUT job_title text, OUT name text, OUT phone text, OUT email text, OUT talk_script text, OUT due_on date,
    OUT next_contact_on date, OUT memo text, OUT last_acted_on date, OUT last_kind text, OUT last_result text,
    OUT last_content text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION leadflow.next_lead(text, text) IS
    'take the lead of a list that a rep is to call next, with what a caller needs to know; no row when there is none';

CREATE FUNCTION leadflow.next_lead(list text, rep bigint,
    OUT lead_id bigint, OUT member_id bigint, OUT list_name text, OUT company text, OUT department text,
    OUT job_title text, OUT name text, OUT phone text, OUT email text, OUT talk_script text, OUT due_on date,
    OUT next_contact_on date, OUT memo text, OUT last_acted_on date, OUT last_kind text, OUT last_result text,
    OUT last_content text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION leadflow.next_lead(text, bigint) IS
    'take the lead of a list that a rep is to call next, with what a caller needs to know; no row when there is none';

CREATE FUNCTION leadflow.next_lead(list bigint, rep text,
    OUT lead_id bigint, OUT member_id bigint, OUT list_name text, OUT company text, OUT department text,
    OUT job_title text, OUT name text, OUT phone text, OUT email text, OUT talk_script text, OUT due_on date,
    OUT next_contact_on date, OUT memo text, OUT last_acted_on date, OUT last_kind text, OUT last_result text,
    OUT last_content text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION leadflow.next_lead(bigint, text) IS
    'take the lead of a list that a rep is to call next, with what a caller needs to know; no row when there is none';

CREATE FUNCTION leadflow.next_lead(list bigint, rep bigint,
    OUT lead_id bigint, OUT member_id bigint, OUT list_name text, OUT company text, OUT department text,
    OUT job_title text, OUT name text, OUT phone text, OUT email text, OUT talk_script text, OUT due_on date,
    OUT next_contact_on date, OUT memo text, OUT last_acted_on date, OUT last_kind text, OUT last_result text,
    OUT last_content text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION leadflow.next_lead(bigint, bigint) IS
    'take the lead of a list that a rep is to call next, with what a caller needs to know; no row when there is none';

CREATE FUNCTION leadflow.list_id(list text) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.list_id(text) IS
    'the id of the list of a name';

CREATE FUNCTION leadflow.list_id(list bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.list_id(bigint) IS
    'the id, if there is such a list';

-- Who was on it when.

CREATE FUNCTION leadflow.members(list text, at timestamptz DEFAULT now(),
    OUT lead_id bigint, OUT member_id bigint, OUT rep text, OUT entered_at timestamptz, OUT left_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.members(text, timestamptz) IS
    'who was on a list at a time, and who had them';

CREATE FUNCTION leadflow.member_diff(list text, since timestamptz, until timestamptz DEFAULT now(),
    OUT lead_id bigint, OUT change text, OUT at timestamptz, OUT by text, OUT reason text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.member_diff(text, timestamptz, timestamptz) IS
    'who was on a list at one of two times and not at the other: entered, or left';

CREATE FUNCTION leadflow.members(list bigint, at timestamptz DEFAULT now(),
    OUT lead_id bigint, OUT member_id bigint, OUT rep text, OUT entered_at timestamptz, OUT left_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.members(bigint, timestamptz) IS
    'who was on a list at a time, and who had them';

CREATE FUNCTION leadflow.member_diff(list bigint, since timestamptz, until timestamptz DEFAULT now(),
    OUT lead_id bigint, OUT change text, OUT at timestamptz, OUT by text, OUT reason text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.member_diff(bigint, timestamptz, timestamptz) IS
    'who was on a list at one of two times and not at the other: entered, or left';
