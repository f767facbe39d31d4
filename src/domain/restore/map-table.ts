// How one table of the backup lies over the live one: which column goes where, and what drifted between the two.
import type { DriftEntry } from "../restore-request.ts";
import type { ColumnDescription, SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { findGoneLabels } from "./type-difference.ts";
import { baseTypeName } from "./type-difference.ts";

/** A column as it is staged. */
export interface StagedColumn {
  /** In the staging table. The live name; for columns that are gone, a name that no live column has. */
  readonly name: string;
  readonly backupName: string;
  readonly backupType: string;
  /** Null: its values are not restored. */
  readonly liveType: string | null;
  /** Loaded as text, and cast when every value was found to fit. */
  readonly checked: boolean;
  /** The backup allows NULL and the live column does not. */
  readonly needsValue: boolean;
  /** No UPDATE may set it; only INSERT may, with OVERRIDING SYSTEM VALUE. */
  readonly identityAlways: boolean;
}

export interface TableMapping {
  /** In the order in which the backup's rows hold them. */
  readonly columns: readonly StagedColumn[];
  /** Live primary key columns; empty where there is none. */
  readonly key: readonly string[];
  /** Live columns that new rows can't be given: NOT NULL, without a default, and not in the backup. */
  readonly unfilled: readonly string[];
  readonly drift: readonly DriftEntry[];
}

export interface MappingInput {
  readonly backup: TableDescription;
  readonly live: TableDescription;
  /** The columns whose values the backup holds, in their order. */
  readonly storedColumns: readonly string[];
  readonly backupSchema: SchemaDescription;
  readonly liveSchema: SchemaDescription;
  readonly narrowedTypes: ReadonlySet<string>;
  readonly renamedColumns: Readonly<Record<string, string>>;
}

export function mapTable(input: MappingInput): TableMapping {
  const { backup, live, storedColumns, renamedColumns } = input;
  const drift: DriftEntry[] = [];
  const note = (column: string | null, what: DriftEntry["what"], effect: DriftEntry["effect"], message: string): void =>
    void drift.push({ table: backup.name, column, what, effect, message });
  const liveColumns = new Map(live.columns.map((column) => [column.name, column]));
  const backupColumns = new Map(backup.columns.map((column) => [column.name, column]));
  const nameNow = (name: string): string => renamedColumns[`${backup.name}.${name}`] ?? name;

  const columns = storedColumns.map((name): StagedColumn => {
    const before = backupColumns.get(name) as ColumnDescription;
    const now = liveColumns.get(nameNow(name));
    if (now !== undefined && now.name !== name)
      note(name, "column renamed", "handled", `its values go to ${now.name}, as declared`);
    if (now === undefined || now.generated !== null) {
      if (now === undefined) noteDropped(backup.name, before, live, note);
      else note(name, "generated changed", "handled", "the database makes its values now; the backup's are not used");
      return staged(`not restored: ${name}`, before, null, false);
    }
    const checked = needsCheck(before, now, input.narrowedTypes);
    noteRetyped(before, now, checked, input, note);
    return staged(now.name, before, now, checked);
  });

  const filled = new Set(columns.filter((column) => column.liveType !== null).map((column) => column.name));
  const unfilled: string[] = [];
  for (const column of live.columns) {
    if (filled.has(column.name) || column.generated !== null) continue;
    const before = backupColumns.get(column.name);
    const fillsItself = !column.notNull || column.defaultSql !== null || column.identity !== null;
    if (!fillsItself) unfilled.push(column.name);
    if (before !== undefined && before.generated === null) continue; // left out of backups by the catalogue
    note(
      column.name,
      before === undefined ? "column added" : "generated changed",
      fillsItself ? "handled" : "blocks",
      fillsItself
        ? "rows that exist keep its value; rows that come back get its default"
        : "it is NOT NULL, has no default, and the backup holds no value for it; give it a default",
    );
  }
  return { columns, key: mapKey(backup, live, columns, nameNow, note), unfilled, drift };
}

type Note = (column: string | null, what: DriftEntry["what"], effect: DriftEntry["effect"], message: string) => void;

const staged = (
  name: string,
  before: ColumnDescription,
  now: ColumnDescription | null,
  checked: boolean,
): StagedColumn => ({
  name,
  backupName: before.name,
  backupType: before.type,
  liveType: now?.type ?? null,
  checked: checked || now === null,
  needsValue: now?.notNull === true && !before.notNull,
  identityAlways: now?.identity === "always",
});

function noteDropped(table: TableName, before: ColumnDescription, live: TableDescription, note: Note): void {
  const hint = live.columns.some((column) => column.type === before.type)
    ? `; if it was renamed, declare "${table}.${before.name}"`
    : "";
  note(before.name, "column dropped", "handled", `its values stay in the backup and are not restored${hint}`);
}

const needsCheck = (before: ColumnDescription, now: ColumnDescription, narrowed: ReadonlySet<string>): boolean =>
  before.type !== now.type || narrowed.has(baseTypeName(now.type));

function noteRetyped(
  before: ColumnDescription,
  now: ColumnDescription,
  checked: boolean,
  { backupSchema, liveSchema }: MappingInput,
  note: Note,
): void {
  if (before.type !== now.type)
    note(
      before.name,
      "column retyped",
      "handled",
      `${before.type} became ${now.type}; refused if a value changes by it`,
    );
  else if (checked) {
    const gone = findGoneLabels(backupSchema, liveSchema, now.type);
    if (gone.length > 0)
      note(before.name, "enum value gone", "handled", `${gone.join(", ")}: refused if a row uses one of these`);
    else
      note(before.name, "column retyped", "handled", `${now.type} takes other values now; refused if one does not fit`);
  }
  if (now.notNull && !before.notNull)
    note(before.name, "column became NOT NULL", "handled", "refused if a row of the backup has no value there");
}

function mapKey(
  backup: TableDescription,
  live: TableDescription,
  columns: readonly StagedColumn[],
  nameNow: (name: string) => string,
  note: Note,
): readonly string[] {
  const before = backup.primaryKey.map(nameNow);
  const same = before.length === live.primaryKey.length && live.primaryKey.every((name) => before.includes(name));
  if (same) return live.primaryKey;
  const held = new Set(columns.filter((column) => column.liveType !== null).map((column) => column.name));
  const missing = live.primaryKey.filter((name) => !held.has(name));
  if (missing.length === 0) {
    const now =
      live.primaryKey.length === 0 ? "rows are compared as wholes" : `rows are told by ${live.primaryKey.join(", ")}`;
    note(null, "key changed", "handled", `${now}; refused if the backup's rows are not unique by that`);
    return live.primaryKey;
  }
  note(null, "key changed", "blocks", `the backup holds no ${missing.join(", ")}, by which rows are told now`);
  return live.primaryKey;
}
