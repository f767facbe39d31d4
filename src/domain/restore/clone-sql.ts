// The SQL that turns staged rows of one organization into those of another: keys get their new ones in a table of both,
// and each staged column is rewritten from it. Set-based; no value of a row leaves the database.
import { quoteIdentifier, quoteLiteral, quoteTable } from "../sql-quoting.ts";
import type { SchemaDescription } from "../schema.ts";
import type { ClonePlan } from "./clone-plan.ts";
import type { CloneLink, ColumnChange } from "./column-changes.ts";
import { splitPlace } from "./column-place.ts";
import type { KeySpace } from "./key-spaces.ts";
import type { StagedColumn } from "./map-table.ts";
import { plainTypeOf } from "./plain-type.ts";
import type { RestoreTable } from "./restore-table.ts";
import { restoredColumns, restoredNames } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

export const uuidPattern = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

/** A list of spaces for SQL. */
export const spaceList = (spaces: readonly KeySpace[]): string =>
  `'{${spaces.map(({ number }) => number).join(",")}}'::integer[]`;

export const tellingUuids = ({ spaces }: ClonePlan): readonly KeySpace[] =>
  spaces.filter(({ kind, isTelling }) => isTelling && kind === "uuid");

/**
 * new_uuid: the same old key and secret give the same new one, of version 8, in whatever table it stands.
 * map_text: every uuid in a text that is an old key. map_json: the keys at a path. map_path: a file's name that no other
 * organization's file has.
 */
export function createCloneFunctions(
  staging: Staging,
  plan: ClonePlan,
  { secret, suffix, organizationId, targetOrganizationId }: CloneNames,
): string {
  const { schema, keys } = staging;
  const uuids = spaceList(tellingUuids(plan));
  return `
  CREATE UNLOGGED TABLE ${keys} (space integer NOT NULL, old text NOT NULL, new text NOT NULL);
  CREATE UNLOGGED TABLE ${staging.paths} (old text NOT NULL, new text NOT NULL);
  CREATE FUNCTION ${schema}.new_uuid(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    SELECT (left(h, 12) || '8' || substr(h, 14, 3) || substr('89ab', 1 + (get_byte(decode(substr(h, 17, 2), 'hex'), 0) & 3), 1) || substr(h, 19, 15))::uuid::text
    FROM (SELECT encode(sha256(convert_to(${quoteLiteral(secret)} || ' ' || old, 'UTF8')), 'hex') AS h) AS x
  $function$;
  CREATE FUNCTION ${schema}.suffixed(old text) RETURNS text LANGUAGE sql IMMUTABLE AS $function$
    SELECT regexp_replace(old, '(@.*)?$', ${quoteLiteral(`-${suffix}\\1`)})
  $function$;
  CREATE FUNCTION ${schema}.map_text(value text) RETURNS text LANGUAGE plpgsql STABLE AS $function$
  DECLARE
    found record;
  BEGIN
    IF value !~ '${uuidPattern}' THEN RETURN value; END IF;
    FOR found IN SELECT DISTINCT m[1] AS old, k.new FROM regexp_matches(value, '${uuidPattern}', 'g') AS m
      JOIN ${keys} AS k ON k.old = lower(m[1]) AND k.space = ANY (${uuids})
    LOOP value := replace(value, found.old, found.new); END LOOP;
    RETURN value;
  END $function$;
  CREATE FUNCTION ${schema}.map_path(value text) RETURNS text LANGUAGE plpgsql STABLE AS $function$
  DECLARE
    mapped text := array_to_string(array_replace(string_to_array(${schema}.map_text(value), '/'), ${quoteLiteral(organizationId)}, ${quoteLiteral(targetOrganizationId)}), '/');
  BEGIN
    RETURN CASE WHEN mapped = value THEN regexp_replace(value, '([.][^./]*)?$', ${quoteLiteral(`-${suffix}\\1`)}) ELSE mapped END;
  END $function$;
  CREATE FUNCTION ${schema}.new_key(value text, spaces integer[]) RETURNS text LANGUAGE sql STABLE AS $function$
    SELECT coalesce((SELECT k.new FROM ${keys} AS k WHERE k.old IN (value, CASE WHEN value ~ '^${uuidPattern}$' THEN lower(value) END) AND k.space = ANY (spaces) LIMIT 1), value)
  $function$;
  CREATE FUNCTION ${schema}.map_json(value jsonb, path text[], member_names boolean, spaces integer[]) RETURNS jsonb LANGUAGE plpgsql STABLE AS $function$
  DECLARE
    kind text := jsonb_typeof(value);
  BEGIN
    IF cardinality(path) > 0 AND path[1] <> '*' THEN
      IF kind IS DISTINCT FROM 'object' OR NOT value ? path[1] THEN RETURN value; END IF;
      RETURN value || jsonb_build_object(path[1], ${schema}.map_json(value -> path[1], path[2:], member_names, spaces));
    END IF;
    IF cardinality(path) = 0 AND member_names THEN
      IF kind IS DISTINCT FROM 'object' THEN RETURN value; END IF;
      RETURN (SELECT coalesce(jsonb_object_agg(${schema}.new_key(e.key, spaces), e.value), '{}') FROM jsonb_each(value) AS e);
    END IF;
    IF kind = 'array' THEN
      RETURN (SELECT coalesce(jsonb_agg(${schema}.map_json(e.value, path[2:], member_names, spaces) ORDER BY e.at), '[]') FROM jsonb_array_elements(value) WITH ORDINALITY AS e(value, at));
    END IF;
    IF kind = 'object' AND cardinality(path) > 0 THEN
      RETURN (SELECT coalesce(jsonb_object_agg(e.key, ${schema}.map_json(e.value, path[2:], member_names, spaces)), '{}') FROM jsonb_each(value) AS e);
    END IF;
    IF cardinality(path) = 0 AND kind = 'string' THEN RETURN to_jsonb(${schema}.new_key(value #>> '{}', spaces)); END IF;
    IF cardinality(path) = 0 AND kind = 'number' THEN RETURN ${schema}.new_key(value #>> '{}', spaces)::jsonb; END IF;
    RETURN value;
  END $function$;`;
}

export interface CloneNames {
  /** Kept with the restore: a stage that is repeated gives the same keys. */
  readonly secret: string;
  readonly suffix: string;
  readonly organizationId: string;
  readonly targetOrganizationId: string;
}

/** Statements that fill in the new key of each old one. `restoreId`: a literal. */
export function createKeys(
  staging: Staging,
  space: KeySpace,
  tables: readonly RestoreTable[],
  restoreId: string,
  { targetOrganizationId }: CloneNames,
): readonly string[] {
  const values = space.origins.flatMap((place) => {
    const { table: tableName, column: columnName } = splitPlace(place);
    const table = tables.find((each) => each.table === tableName && restoredNames(each).includes(columnName));
    if (table === undefined) return [];
    const column = quoteIdentifier(columnName);
    return [`SELECT ${column}::text AS old FROM ${staging.table("s", table.number)} WHERE ${column} IS NOT NULL`];
  });
  if (values.length === 0) return [];
  const olds = `(SELECT DISTINCT old FROM (${values.join(" UNION ALL ")}) AS v) AS o`;
  const insert = `INSERT INTO ${staging.keys} (space, old, new)`;
  if (space.number === 0) return [`${insert} SELECT 0, o.old, ${quoteLiteral(targetOrganizationId)} FROM ${olds}`];
  if (space.sequence !== null) {
    const kept = `wedsync_restore.clone_numbers AS n WHERE n.restore_id = ${restoreId} AND n.space = ${quoteLiteral(space.name)}`;
    return [
      `INSERT INTO wedsync_restore.clone_numbers (restore_id, space, old, new) SELECT ${restoreId}, ${quoteLiteral(space.name)}, o.old::bigint, nextval(${quoteLiteral(quoteTable(space.sequence))}) ` +
        `FROM (SELECT * FROM ${olds} WHERE NOT EXISTS (SELECT 1 FROM ${kept} AND n.old = o.old::bigint) ORDER BY o.old::bigint) AS o`,
      `${insert} SELECT ${space.number}, n.old::text, n.new::text FROM ${kept}`,
    ];
  }
  const make = space.kind === "uuid" ? "new_uuid" : "suffixed";
  return [`${insert} SELECT ${space.number}, o.old, ${staging.schema}.${make}(o.old) FROM ${olds}`];
}

export const createPaths = (staging: Staging, table: RestoreTable, column: string): string =>
  `INSERT INTO ${staging.paths} SELECT DISTINCT ${quoteIdentifier(column)}::text, ${staging.schema}.map_path(${quoteIdentifier(column)}::text) ` +
  `FROM ${staging.table("s", table.number)} AS s WHERE ${quoteIdentifier(column)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${staging.paths} AS p WHERE p.old = s.${quoteIdentifier(column)}::text)`;

/** One pass over the table's staged rows; null where nothing of it changes. */
export function mapStagedRows(
  staging: Staging,
  table: RestoreTable,
  plan: ClonePlan,
  schema: SchemaDescription,
): string | null {
  const sets = restoredColumns(table).flatMap((column) => {
    const change = plan.changes.get(table.table)?.get(column.name);
    if (change === undefined || change.by === "refusal") return [];
    return [`${quoteIdentifier(column.name)} = ${newValue(staging, column, change, schema)}`];
  });
  return sets.length === 0 ? null : `UPDATE ${staging.table("s", table.number)} AS s SET ${sets.join(", ")}`;
}

function newValue(staging: Staging, column: StagedColumn, change: ColumnChange, schema: SchemaDescription): string {
  const own = `s.${quoteIdentifier(column.name)}`;
  const type = column.liveType ?? "text";
  // An assignment refuses a text that is too long; a cast would cut it.
  const cast = plainTypeOf(schema, type) === "text" ? "" : `::${type}`;
  const keyOf = (space: KeySpace): string => {
    const old = space.kind === "uuid" && cast === "" ? `lower(${own}::text)` : `${own}::text`;
    return `(SELECT k.new FROM ${staging.keys} AS k WHERE k.space = ${space.number} AND k.old = ${old})${cast}`;
  };
  switch (change.by) {
    case "key":
      return `coalesce(${keyOf(change.space)}, ${own})`;
    case "type": {
      const branches = change.spaces.map(({ type: is, space }) => `WHEN ${quoteLiteral(is)} THEN ${keyOf(space)}`);
      if (branches.length === 0) return own;
      return `coalesce(CASE s.${quoteIdentifier(change.typeColumn)}::text ${branches.join(" ")} END, ${own})`;
    }
    case "path":
      return `(SELECT p.new FROM ${staging.paths} AS p WHERE p.old = ${own}::text)`;
    case "links":
      return change.links.reduce((value, link) => linkedValue(staging, column, link, value), own);
    case "null":
    case "refusal":
      return "NULL";
  }
}

function linkedValue(
  { schema }: Staging,
  { liveType }: StagedColumn,
  { link, space }: CloneLink,
  value: string,
): string {
  const type = liveType ?? "text";
  if (space === "any") return `${schema}.map_text((${value})::text)::${type}`;
  const spaces = spaceList([space]);
  if (/^jsonb?$/.test(type)) {
    const path = `ARRAY[${(link.path ?? []).map(quoteLiteral).join(", ")}]::text[]`;
    const mapped = `${schema}.map_json((${value})::jsonb, ${path}, ${link.memberNames === true}, ${spaces})`;
    // What names no key keeps its very text.
    return `CASE WHEN ${mapped} IS DISTINCT FROM (${value})::jsonb THEN ${mapped}::${type} ELSE ${value} END`;
  }
  const keyOf = (old: string): string => `${schema}.new_key(${old}, ${spaces})`;
  if (type.endsWith("[]"))
    return `CASE WHEN (${value}) IS NOT NULL THEN ARRAY(SELECT ${keyOf("e")} FROM unnest((${value})::text[]) WITH ORDINALITY AS x(e, at) ORDER BY at)::${type} END`;
  return `${keyOf(`(${value})::text`)}::${type}`;
}
