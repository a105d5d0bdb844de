-- form: what is valid

CREATE TYPE leadflow.form;

CREATE FUNCTION leadflow.form_in(cstring) RETURNS leadflow.form
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.form_out(leadflow.form) RETURNS cstring
    AS 'MODULE_PATHNAME', 'canonical_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.form_recv(internal) RETURNS leadflow.form
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.form_send(leadflow.form) RETURNS bytea
    AS 'MODULE_PATHNAME', 'canonical_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE leadflow.form (
    INPUT = leadflow.form_in,
    OUTPUT = leadflow.form_out,
    RECEIVE = leadflow.form_recv,
    SEND = leadflow.form_send,
    INTERNALLENGTH = VARIABLE,
    STORAGE = extended
);
COMMENT ON TYPE leadflow.form IS
    'what is valid: the fields of a document, such as acted_on "日付" date required; result "活動結果" radio(''継続フォロー'' effective, ''アーカイブ'' closes)';
COMMENT ON FUNCTION leadflow.form_in(cstring) IS 'I/O';
COMMENT ON FUNCTION leadflow.form_out(leadflow.form) IS 'I/O';
COMMENT ON FUNCTION leadflow.form_recv(internal) IS 'I/O';
COMMENT ON FUNCTION leadflow.form_send(leadflow.form) IS 'I/O';

CREATE FUNCTION leadflow.form_eq(leadflow.form, leadflow.form) RETURNS boolean
    AS 'MODULE_PATHNAME', 'canonical_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_eq(leadflow.form, leadflow.form) IS
    'are the two the same form, but for spacing, case and the order of options?';
CREATE FUNCTION leadflow.form_ne(leadflow.form, leadflow.form) RETURNS boolean
    AS 'MODULE_PATHNAME', 'canonical_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_ne(leadflow.form, leadflow.form) IS 'negation of =';
CREATE FUNCTION leadflow.form_hash(leadflow.form) RETURNS integer
    AS 'MODULE_PATHNAME', 'canonical_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_hash(leadflow.form) IS 'hash for indexes and hash joins';
CREATE FUNCTION leadflow.form_hash_extended(leadflow.form, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'canonical_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_hash_extended(leadflow.form, bigint) IS
    'hash with a seed, for hash partitioning';

CREATE OPERATOR leadflow.= (
    LEFTARG = leadflow.form, RIGHTARG = leadflow.form, FUNCTION = leadflow.form_eq,
    COMMUTATOR = OPERATOR(leadflow.=), NEGATOR = OPERATOR(leadflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
COMMENT ON OPERATOR leadflow.= (leadflow.form, leadflow.form) IS 'the same form?';
CREATE OPERATOR leadflow.<> (
    LEFTARG = leadflow.form, RIGHTARG = leadflow.form, FUNCTION = leadflow.form_ne,
    COMMUTATOR = OPERATOR(leadflow.<>), NEGATOR = OPERATOR(leadflow.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR leadflow.<> (leadflow.form, leadflow.form) IS 'different forms?';
CREATE OPERATOR CLASS leadflow.form_hash_ops DEFAULT FOR TYPE leadflow.form USING hash AS
    OPERATOR 1 leadflow.=,
    FUNCTION 1 leadflow.form_hash(leadflow.form),
    FUNCTION 2 leadflow.form_hash_extended(leadflow.form, bigint);

-- what a form holds, for a GUI or a BI tool

CREATE FUNCTION leadflow.fields(form leadflow.form,
    OUT "position" integer, OUT name text, OUT label text, OUT type text, OUT required boolean,
    OUT min text, OUT max text, OUT max_length integer, OUT pattern text, OUT default_value text,
    OUT hidden boolean, OUT retired boolean) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'form_fields' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION leadflow.fields(leadflow.form) IS 'the fields of a form, in order';

CREATE FUNCTION leadflow.choices(form leadflow.form,
    OUT field text, OUT "position" integer, OUT key text, OUT label text, OUT effective boolean,
    OUT closes boolean, OUT retired boolean, OUT only_lists bigint[],
    OUT except_lists bigint[]) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'form_choices' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION leadflow.choices(leadflow.form) IS 'the choices of all fields of a form, in order';

-- holding a document against a form

CREATE FUNCTION leadflow.violations(form leadflow.form, document jsonb, list_id bigint DEFAULT NULL,
    OUT field text, OUT label text, OUT rule text, OUT value text, OUT message text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'form_violations' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION leadflow.violations(leadflow.form, jsonb, bigint) IS
    'every violation of a document at once, in the form''s order; none when it conforms';

CREATE FUNCTION leadflow.conforms(form leadflow.form, document jsonb, list_id bigint DEFAULT NULL)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'form_conforms' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.conforms(leadflow.form, jsonb, bigint) IS
    'true, or error 23514 with every violation of the document: for CHECK constraints';

-- lenient reading, for generated columns, segments, views and indexes

CREATE FUNCTION leadflow.form_date(document jsonb, field text) RETURNS date
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_date(jsonb, text) IS
    'a field of a document as a date; null unless it is an ISO date';

CREATE FUNCTION leadflow.form_timestamp(document jsonb, field text, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_timestamp(jsonb, text, text) IS
    'a field of a document as an instant, local time of a time zone where it has no offset; null unless it is an ISO time';

CREATE FUNCTION leadflow.form_number(document jsonb, field text) RETURNS numeric
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_number(jsonb, text) IS
    'a field of a document as a number; null unless it is one';

CREATE FUNCTION leadflow.form_boolean(document jsonb, field text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_boolean(jsonb, text) IS
    'a field of a document as a boolean; null unless it is true or false';

CREATE FUNCTION leadflow.form_choices(document jsonb, field text) RETURNS text[]
    AS 'MODULE_PATHNAME', 'form_selected' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_choices(jsonb, text) IS
    'a field of a document as the choices selected; null unless it is an array of texts';

-- changing many at once

CREATE FUNCTION leadflow.form_change_choices(document jsonb, field text, add text[], remove text[]) RETURNS jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_change_choices(jsonb, text, text[], text[]) IS
    'a document with some choices of a field added and others taken away';
