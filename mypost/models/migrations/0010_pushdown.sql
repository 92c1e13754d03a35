-- What the engine writes into statements that answer rows as their JSON.

-- A value that no spelling covers: the row has to be read as a row, and what is wrong told there.
-- Immutable, it would be called for every constant when a statement is planned.
CREATE FUNCTION unspelled(value text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RAISE EXCEPTION 'no spelling for this' USING ERRCODE = 'MP001';
END $$;

-- A JSON value without blanks, numbers as they are written once they have been read.
CREATE FUNCTION compact_json(value jsonb) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF NOT jsonb_path_exists(value, '$.** ? (@.type() == "number")') THEN
    -- Between strings there is nothing but blanks to leave out.
    RETURN regexp_replace(value::text, '("(?:[^"\\]|\\.)*")| ', '\1', 'g');
  END IF;
  RETURN CASE jsonb_typeof(value)
    WHEN 'object' THEN (
      SELECT '{' || coalesce(string_agg(to_json(e.key)::text || ':' || compact_json(e.value)::text, ',' ORDER BY e.n), '') || '}'
      FROM jsonb_each(value) WITH ORDINALITY AS e (key, value, n))
    WHEN 'array' THEN (
      SELECT '[' || coalesce(string_agg(compact_json(e.value)::text, ',' ORDER BY e.n), '') || ']'
      FROM jsonb_array_elements(value) WITH ORDINALITY AS e (value, n))
    -- Where Python would write an exponent, or has fewer digits, it is asked.
    WHEN 'number' THEN CASE WHEN abs(value::numeric) >= 1e15 OR length(value::text) > 15
        OR value::numeric <> 0 AND abs(value::numeric) < 1e-4 THEN unspelled('number')
      WHEN value::text LIKE '%.%'
      THEN (SELECT CASE WHEN t LIKE '%.%' THEN t ELSE t || '.0' END FROM trim_scale(value::numeric) x, LATERAL (SELECT x::text) AS y (t))
      ELSE value::text END
    ELSE value::text END::json;
END $$;
