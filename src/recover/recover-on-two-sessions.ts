// A large organization into an empty Postgres: a session parses rows, builds indexes and reads back on one core, so there
// are two. They don't see what the other has not committed. So tables are made in working schemas, which nobody looks into,
// and the last transaction moves them all to their own:
//
//   schemas, types, sequences, and a record of them                               commit
//   tables, rows, keys, indexes: the largest first, on both                       commit each
//   foreign keys on one; every table read back and compared on the other
//   all tables to their own schemas, sequences set, a mark that says so           commit
//
// What fails takes away what it made. A process that dies before the end leaves that to the next recovery into the database.
import { placeIn } from "../domain/placed-ddl.ts";
import type { DdlStep } from "../domain/ddl-step.ts";
import { planRecoveryDdl, type RecoveryDdl } from "../domain/recovery-ddl.ts";
import type { MadeObject } from "../domain/made-object.ts";
import { quoteIdentifier, quoteTable, splitTable } from "../domain/sql-quoting.ts";
import type { TableEntry } from "../repository/manifest.ts";
import { markCompleted } from "./completed-recovery.ts";
import { runSteps } from "./recover-at-once.ts";
import { loadTable, proveTable, type RowSource } from "./recover-rows.ts";
import type { RecoverWork } from "./recover-work.ts";
import { holdBeside, holdTarget } from "./recovery-lock.ts";
import { createRecord, recordMade, recordTable } from "./recovery-record.ts";
import { removeUnfinished } from "./remove-unfinished.ts";
import { openTarget, type TargetDatabase } from "./target-database.ts";
import { dropWorkingSchema, makeWorkingSchemas, nameWorkingSchemas, type WorkingSchemas } from "./working-schemas.ts";

interface TwoSessions extends RecoverWork {
  readonly beside: TargetDatabase;
  readonly databaseUrl: string;
}

interface Placed extends TwoSessions {
  readonly plan: RecoveryDdl;
  readonly source: RowSource;
  readonly working: WorkingSchemas;
  readonly leftOut: string[];
}

/** For a target that is held, and a backup whose tables may be placed. Closes `beside`. @returns what was left out. */
export async function recoverOnTwoSessions(work: TwoSessions): Promise<readonly string[]> {
  const { target, beside, databaseUrl, vault, manifest } = work;
  const schemas = new Set(manifest.schema.tables.map(({ name }) => splitTable(name).schema));
  const working = nameWorkingSchemas(schemas);
  const place = placeIn(working.homes);
  const plan = planRecoveryDdl(manifest.schema, manifest.tables, place);
  const leftOut: string[] = [];
  const placed: Placed = { ...work, plan, source: { vault, manifest, place }, working, leftOut };
  try {
    await holdBeside(beside);
    await makeShared(placed);
    const waiting = manifest.tables.toSorted((a, b) => b.rawBytes - a.rawBytes);
    await both(loadTables(placed, target, waiting), loadTables(placed, beside, waiting));
    work.report("keys", "");
    await both(linkTables(placed), proveTables(placed));
    await moveTables(placed);
    return leftOut;
  } catch (error) {
    await Promise.all([target.close(), beside.close()]);
    await takeAway(databaseUrl).catch(() => {}); // what is left is the next recovery's to take away, or to name
    throw error;
  } finally {
    await beside.close();
  }
}

const both = async (...work: readonly Promise<void>[]): Promise<void> => {
  for (const end of await Promise.allSettled(work)) if (end.status === "rejected") throw end.reason;
};

/** What several tables need. */
async function makeShared({ target, plan, working, leftOut, manifest }: Placed): Promise<void> {
  await target.begin();
  const extensions = await target.listExtensions();
  const schemas = await target.createSchemas(plan.schemas);
  await makeWorkingSchemas(target, working, manifest.backupId);
  await createRecord(target, working.record);
  const shared = plan.before.filter((step) => step.table === null);
  await runSteps(target, shared, leftOut);
  const made = whatIsMadeBy(shared).filter(({ kind, name }) => !(kind === "extension" && extensions.has(name)));
  await recordMade(target, working.record, [
    ...schemas.map((name): MadeObject => ({ kind: "schema", schema: "", name })),
    ...made,
  ]);
  await target.execute("COMMIT", "committing");
}

const whatIsMadeBy = (steps: readonly DdlStep[]): MadeObject[] =>
  steps.flatMap(({ makes }) => (makes === null ? [] : [makes]));

/** Takes from `waiting` until nothing is left. */
async function loadTables(placed: Placed, session: TargetDatabase, waiting: TableEntry[]): Promise<void> {
  const { plan, source, working, leftOut, onBytes, onTable } = placed;
  const made: MadeObject[] = [];
  try {
    await session.begin();
    // The other core is the other session's.
    await session.execute("SET LOCAL max_parallel_maintenance_workers = 0", "beginning");
    for (let table = waiting.shift(); table !== undefined; table = waiting.shift()) {
      const { table: name, rows } = table;
      const ofTable = (steps: readonly DdlStep[]): DdlStep[] => steps.filter((step) => step.table === name);
      await session.setSearchPath([]);
      const making = ofTable(plan.before);
      await runSteps(session, making, leftOut);
      made.push(...whatIsMadeBy(making));
      // Generated columns and checks may name things without their schema, as they could at home.
      await session.setSearchPath(plan.schemas);
      await loadTable(session, source, table, (bytes) => onBytes(name, bytes));
      onTable(rows);
      await runSteps(session, ofTable(plan.after), leftOut);
    }
    await recordMade(session, working.record, made);
    await session.execute("COMMIT", "committing");
  } catch (error) {
    waiting.length = 0; // the other session is not to begin with any more
    throw error;
  }
}

/** The transaction stays open for the move. */
async function linkTables({ target, plan, leftOut }: Placed): Promise<void> {
  await target.begin();
  await target.setSearchPath(plan.schemas);
  await runSteps(target, plan.foreignKeys, leftOut);
}

async function proveTables({ beside, source, manifest, report }: Placed): Promise<void> {
  await beside.begin();
  for (const table of manifest.tables) {
    report("proof", table.table);
    await proveTable(beside, source, table);
  }
  await beside.execute("COMMIT", "ending the proof");
}

async function moveTables({ target, plan, source, working, leftOut, manifest }: Placed): Promise<void> {
  for (const { name } of plan.tables) {
    const { schema } = splitTable(name);
    await target.execute(
      `ALTER TABLE ${quoteTable(source.place(name))} SET SCHEMA ${quoteIdentifier(schema)}`,
      `moving ${name} to its schema`,
    );
  }
  await target.execute(`DROP TABLE ${quoteTable(`${working.record}.${recordTable}`)}`, "dropping the record");
  for (const name of [working.record, ...working.homes.values()]) await dropWorkingSchema(target, name);
  await runSteps(
    target,
    plan.after.filter((step) => step.table === null),
    leftOut,
  );
  await markCompleted(target, plan, { backupId: manifest.backupId, notes: leftOut });
  await target.execute("COMMIT", "committing");
}

/** Nothing where no working schema is there: the move was committed after all, or the beginning never was. */
async function takeAway(databaseUrl: string): Promise<void> {
  const cleaner = await openTarget(databaseUrl);
  try {
    await holdTarget(cleaner);
    await cleaner.begin();
    await removeUnfinished(cleaner);
    await cleaner.execute("COMMIT", "taking away what was made");
  } finally {
    await cleaner.close();
  }
}
