// Differing rows as they may leave the machine: of a masked column only whether it differs. Pure.
import type { Catalogue } from "../catalogue.ts";
import type { TableName } from "../schema.ts";

type Values = Readonly<Record<string, string | null>>;

interface ComparedRow {
  readonly table: TableName;
  readonly key: Readonly<Record<string, string>>;
  readonly backup: Values | null;
  readonly live: Values | null;
}

/** A masked value of the key is told as null: the row's number still names it. */
export interface MaskedRow {
  readonly key: Values;
  readonly backup: Values | null;
  readonly live: Values | null;
  /** Columns that are left out of `backup` and `live`. */
  readonly masked: readonly string[];
}

export const maskedColumns = (table: TableName, masks: NonNullable<Catalogue["masks"]>): ReadonlySet<string> =>
  new Set(masks.filter((mask) => mask.table === table).map(({ column }) => column));

export function maskDifference<Row extends ComparedRow>(
  row: Row,
  masks: NonNullable<Catalogue["masks"]>,
): Omit<Row, keyof ComparedRow> & Pick<Row, "table"> & MaskedRow {
  const hidden = maskedColumns(row.table, masks);
  const without = (values: Values | null): Values | null =>
    values === null ? null : Object.fromEntries(Object.entries(values).filter(([column]) => !hidden.has(column)));
  const shown = new Set([row.key, row.backup, row.live].flatMap((values) => Object.keys(values ?? {})));
  return {
    ...row,
    key: Object.fromEntries(
      Object.entries(row.key).map(([column, value]) => [column, hidden.has(column) ? null : value]),
    ),
    backup: without(row.backup),
    live: without(row.live),
    masked: [...hidden].filter((column) => shown.has(column)),
  };
}
