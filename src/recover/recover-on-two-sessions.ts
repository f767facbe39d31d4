// A large organization into an empty Postgres: a session parses rows, builds indexes and reads back on one core, so there
// are two. They don't see what the other has not committed. So tables are made in working schemas, which nobody looks into,
// and the last transaction moves them all to their own:
//
//   schemas, types, sequences                                                     commit
//   tables, rows, keys, indexes: the largest first, on both                       commit each
//   foreign keys on one; every table read back and compared on the other
//   all tables to their own schemas, sequences set                                commit
//
// What fails takes away what it made. A process that dies before the end leaves the working schemas, and types and sequences
// without a row: the next recovery into that database refuses it, and names what is there.
import { randomBytes } from "node:crypto";
import { placeIn } from "../domain/placed-ddl.ts";
import { planRecoveryDdl, type DdlStep, type RecoveryDdl } from "../domain/table-ddl.ts";
import { quoteIdentifier, quoteTable, splitTable } from "../domain/sql-quoting.ts";
import type { TableEntry } from "../repository/manifest.ts";
import { runSteps } from "./recover-at-once.ts";
import { loadTable, proveTable, type RowSource } from "./recover-rows.ts";
import type { RecoverWork } from "./recover-work.ts";
import { holdBeside } from "./recovery-lock.ts";
import { openTarget, type TargetDatabase } from "./target-database.ts";

interface TwoSessions extends RecoverWork {
  readonly beside: TargetDatabase;
  readonly databaseUrl: string;
}

interface Placed extends TwoSessions {
  readonly plan: RecoveryDdl;
  readonly source: RowSource;
  /** The working schema of each. */
  readonly homes: ReadonlyMap<string, string>;
  readonly leftOut: string[];
}

/** For a target that is held, and a backup whose tables may be placed. Closes `beside`. @returns what was left out. */
export async function recoverOnTwoSessions(work: TwoSessions): Promise<readonly string[]> {
  const { target, beside, databaseUrl, vault, manifest } = work;
  const schemas = new Set(manifest.schema.tables.map(({ name }) => splitTable(name).schema));
  const mark = randomBytes(4).toString("hex");
  const homes = new Map([...schemas].map((name, index) => [name, `wedsync_recovery_${mark}_${index + 1}`]));
  const place = placeIn(homes);
  const plan = planRecoveryDdl(manifest.schema, manifest.tables, place);
  const leftOut: string[] = [];
  const placed: Placed = { ...work, plan, source: { vault, manifest, place }, homes, leftOut };
  const undo: string[] = [];
  try {
    await holdBeside(beside);
    await makeShared(placed, undo);
    const waiting = manifest.tables.toSorted((a, b) => b.rawBytes - a.rawBytes);
    await both(loadTables(placed, target, waiting), loadTables(placed, beside, waiting));
    work.report("keys", "");
    await both(linkTables(placed), proveTables(placed));
    await moveTables(placed);
    return leftOut;
  } catch (error) {
    await Promise.all([target.close(), beside.close()]);
    await takeAway(databaseUrl, undo).catch(() => {}); // what is left is named by the next recovery
    throw error;
  } finally {
    await beside.close();
  }
}

const both = async (...work: readonly Promise<void>[]): Promise<void> => {
  for (const end of await Promise.allSettled(work)) if (end.status === "rejected") throw end.reason;
};

/** What several tables need. `undo` gets the statements that take everything away again, from the commit on. */
async function makeShared({ target, plan, homes, leftOut, manifest }: Placed, undo: string[]): Promise<void> {
  await target.begin();
  const extensions = await target.listExtensions();
  const made = await target.createSchemas(plan.schemas);
  for (const home of homes.values())
    await target.execute(`CREATE SCHEMA ${quoteIdentifier(home)}`, "making a working schema");
  const shared = plan.before.filter((step) => step.table === null);
  await runSteps(target, shared, leftOut);
  undo.push(
    ...[...homes.values()].map((home) => `DROP SCHEMA ${quoteIdentifier(home)} CASCADE`),
    ...shared.toReversed().flatMap((step) => (step.undo === null ? [] : [step.undo])),
    ...manifest.schema.extensions
      .filter(({ name }) => !extensions.has(name))
      .map(({ name }) => `DROP EXTENSION IF EXISTS ${quoteIdentifier(name)}`),
    ...made.map((name) => `DROP SCHEMA ${quoteIdentifier(name)}`),
  );
  await target.execute("COMMIT", "committing");
}

/** Takes from `waiting` until nothing is left. */
async function loadTables(placed: Placed, session: TargetDatabase, waiting: TableEntry[]): Promise<void> {
  const { plan, source, leftOut, onBytes, onTable } = placed;
  try {
    await session.begin();
    // The other core is the other session's.
    await session.execute("SET LOCAL max_parallel_maintenance_workers = 0", "beginning");
    for (let table = waiting.shift(); table !== undefined; table = waiting.shift()) {
      const { table: name, rows } = table;
      const ofTable = (steps: readonly DdlStep[]): DdlStep[] => steps.filter((step) => step.table === name);
      await session.setSearchPath([]);
      await runSteps(session, ofTable(plan.before), leftOut);
      // Generated columns and checks may name things without their schema, as they could at home.
      await session.setSearchPath(plan.schemas);
      await loadTable(session, source, table, (bytes) => onBytes(name, bytes));
      onTable(rows);
      await runSteps(session, ofTable(plan.after), leftOut);
    }
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

async function moveTables({ target, plan, source, homes, leftOut }: Placed): Promise<void> {
  for (const { name } of plan.tables) {
    const { schema } = splitTable(name);
    await target.execute(
      `ALTER TABLE ${quoteTable(source.place(name))} SET SCHEMA ${quoteIdentifier(schema)}`,
      `moving ${name} to its schema`,
    );
  }
  for (const home of homes.values())
    await target.execute(`DROP SCHEMA ${quoteIdentifier(home)}`, "dropping a working schema");
  await runSteps(
    target,
    plan.after.filter((step) => step.table === null),
    leftOut,
  );
  await target.execute("COMMIT", "committing");
}

/** Nothing where the first working schema is not there: the move was committed after all, or the beginning never was. */
async function takeAway(databaseUrl: string, undo: readonly string[]): Promise<void> {
  if (undo.length === 0) return;
  const cleaner = await openTarget(databaseUrl);
  try {
    // One transaction: the first statement that finds nothing ends it.
    await cleaner.execute(`BEGIN READ WRITE; ${undo.join("; ")}; COMMIT`, "taking away what was made");
  } finally {
    await cleaner.close();
  }
}
