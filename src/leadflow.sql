\echo Use "CREATE EXTENSION leadflow" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- CREATE EXTENSION takes a schema that is there already. Somebody else's may hold
-- functions that get in the way of ours.
DO $$
BEGIN
    IF (SELECT n.nspowner <> e.extowner AND NOT r.rolsuper
          FROM pg_namespace AS n
          JOIN pg_extension AS e ON e.extnamespace = n.oid
          JOIN pg_roles AS r ON r.oid = n.nspowner
         WHERE e.extname = 'leadflow') THEN
        RAISE EXCEPTION 'schema "leadflow" belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Look at what is in it, then: ALTER SCHEMA leadflow OWNER TO CURRENT_USER;';
    END IF;
END
$$;

