// What a restore does to which table, from two schema descriptions and the catalogue. Pure; the SQL is written from it.
import { checkCatalogue } from "../catalogue-check.ts";
import type { Catalogue } from "../catalogue.ts";
import { BackupError } from "../errors.ts";
import type { DriftEntry, RestoreSelection } from "../restore-request.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { fillOrganization } from "../sql-quoting.ts";
import type { Transit } from "../membership-sql.ts";
import { findMemberships } from "../find-memberships.ts";
import { dependenciesOf } from "../membership.ts";
import { ownTables } from "../own-tables.ts";
import { mapTable } from "./map-table.ts";
import type { RestoreTable } from "./restore-table.ts";
import { orderTables } from "./table-order.ts";
import { findNarrowedTypes } from "./type-difference.ts";

export interface RestorePlan {
  /** Parents first. */
  readonly tables: readonly RestoreTable[];
  readonly drift: readonly DriftEntry[];
  /** The organization's rows of any live table that has some; for proofs over tables that are not restored. */
  readonly predicates: ReadonlyMap<TableName, (alias: string) => string>;
  /** The organization's, while rows of other tables come back or leave. */
  readonly withTransit: (transit: Transit) => RestorePlan["predicates"];
  /** Without what the live database no longer has. */
  readonly catalogue: Catalogue;
}

export interface PlanInput {
  readonly organizationId: string;
  readonly catalogue: Catalogue;
  readonly backupSchema: SchemaDescription;
  readonly stored: readonly { readonly table: TableName; readonly columns: readonly string[]; readonly rows: number }[];
  readonly selection: RestoreSelection;
  readonly renamedColumns: Readonly<Record<string, string>>;
  readonly liveSchema: SchemaDescription;
}

/** @throws UsageInvalid for a selection that names what is not there; CatalogueInvalid, CatalogueTableMissing. */
export function planRestore(input: PlanInput): RestorePlan {
  const { liveSchema, backupSchema, stored, renamedColumns } = input;
  const catalogue = narrowCatalogue(input.catalogue, liveSchema);
  const [problem] = checkCatalogue(liveSchema, catalogue);
  if (problem !== undefined)
    throw new BackupError(problem.code, `The catalogue does not fit the live database: ${problem.message}`);
  const live = new Map(ownTables(liveSchema, catalogue.schemas).map((table) => [table.name, table]));
  const memberships = findMemberships([...live.values()], catalogue);
  const predicatesOf = (found: typeof memberships): RestorePlan["predicates"] =>
    new Map(
      [...found].map(([name, membership]) => [
        name,
        (alias: string): string => fillOrganization(membership.predicate(alias), input.organizationId),
      ]),
    );
  const predicates = predicatesOf(memberships);
  const withTransit = (transit: Transit): RestorePlan["predicates"] =>
    predicatesOf(findMemberships([...live.values()], catalogue, transit));
  const backupTables = new Map(backupSchema.tables.map((table) => [table.name, table]));
  const narrowedTypes = findNarrowedTypes(backupSchema, liveSchema);
  const drift: DriftEntry[] = [];
  const chosen = chooseTables(input);
  const tables = stored.flatMap(({ table, columns: storedColumns, rows }, index): RestoreTable[] => {
    if (!chosen.has(table)) return [];
    const now = live.get(table);
    const membership = memberships.get(table);
    const predicate = predicates.get(table);
    if (now === undefined || membership === undefined || predicate === undefined) {
      drift.push(tableGone(table, rows, now !== undefined));
      return [];
    }
    const backup = backupTables.get(table) as TableDescription;
    const mapping = mapTable({
      backup,
      live: now,
      storedColumns,
      backupSchema,
      liveSchema,
      narrowedTypes,
      renamedColumns,
    });
    drift.push(...mapping.drift);
    const { columns, key, unfilled } = mapping;
    const drifted = mapping.drift.length > 0;
    return [
      {
        table,
        number: index,
        live: now,
        columns,
        key,
        unfilled,
        predicate,
        organizationColumn: membership.organizationColumn,
        dependsOn: dependenciesOf(table, memberships),
        drifted,
      },
    ];
  });
  return { tables: orderTables(tables, liveSchema), drift, predicates, withTransit, catalogue };
}

const tableGone = (table: TableName, rows: number, present: boolean): DriftEntry => ({
  table,
  column: null,
  what: "table gone",
  effect: rows === 0 ? "handled" : "blocks",
  message: `${present ? "the catalogue does not count it to an organization any more" : "the database has no such table"}; ${
    rows === 0
      ? "the backup holds no row of it"
      : `leave it out by choosing data sets or tables, or recover its ${rows} rows into a folder`
  }`,
});

function chooseTables({ selection, catalogue, stored }: PlanInput): ReadonlySet<TableName> {
  const names = stored.map(({ table }) => table);
  const unknown = (what: string, name: string, known: readonly string[]): never => {
    throw new BackupError("UsageInvalid", `The backup has no ${what} ${name}. It has: ${known.join(", ")}.`);
  };
  let chosen: readonly TableName[] = names;
  if (selection.dataSets !== null) {
    const sets = new Map(catalogue.dataSets.map((dataSet) => [dataSet.name, dataSet.tables]));
    const wanted = selection.dataSets.flatMap((name) => sets.get(name) ?? unknown("data set", name, [...sets.keys()]));
    chosen = chosen.filter((name) => wanted.includes(name));
  }
  if (selection.tables !== null) {
    for (const name of selection.tables) if (!names.includes(name)) unknown("table", name, names);
    chosen = chosen.filter((name) => selection.tables?.includes(name));
  }
  for (const { table } of selection.records ?? []) if (!names.includes(table)) unknown("table", table, names);
  return new Set(chosen);
}

/** The catalogue without what the live database no longer has: that is told as drift, not as a broken catalogue. */
function narrowCatalogue(catalogue: Catalogue, live: SchemaDescription): Catalogue {
  const columns = new Map(
    live.tables.map((table) => [table.name, new Set(table.columns.map((column) => column.name))]),
  );
  const hasTable = ({ table }: { table: TableName }): boolean => columns.has(table);
  const hasColumn = ({ table, column }: { table: TableName; column: string }): boolean =>
    columns.get(table)?.has(column) === true;
  return {
    ...catalogue,
    dataSets: catalogue.dataSets.map((dataSet) => ({
      ...dataSet,
      tables: dataSet.tables.filter((table) => columns.has(table)),
    })),
    organizationColumns: Object.fromEntries(
      Object.entries(catalogue.organizationColumns).filter(([table]) => columns.has(table)),
    ),
    polymorphic: catalogue.polymorphic.filter(hasTable).map((entry) => ({
      ...entry,
      targets: Object.fromEntries(Object.entries(entry.targets).filter(([, table]) => columns.has(table))),
    })),
    media: catalogue.media.filter(hasColumn),
    references: catalogue.references.filter(hasTable),
    exclusions: catalogue.exclusions.filter(hasTable),
    omittedColumns: catalogue.omittedColumns.filter(hasColumn),
    externalIds: (catalogue.externalIds ?? []).filter(hasColumn),
    links: (catalogue.links ?? [])
      .filter(hasColumn)
      .filter(({ target }) => target === undefined || columns.has(target)),
  };
}
