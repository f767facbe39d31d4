// What `npm start` shows on its own sample weddings, once, when it has made them: data is lost on purpose, looked for by a
// dry run, brought back, and looked for again. Never on a database that it has not just filled itself.
import { randomUUID } from "node:crypto";
import type { Client as Temporal } from "@temporalio/client";
import { Client } from "pg";
import type { BackupOutcome } from "../domain/backup-request.ts";
import { restoreDefaults, type RestoreOrder, type RestoreOutcome } from "../domain/restore-run.ts";
import { backUpAll } from "./backup.ts";
import { describeDifferences } from "./describe-restore.ts";
import { number, seconds } from "./output.ts";
import { isFailed, type BackupRun } from "./run-results.ts";
import { followToEnd, orderRestore } from "./restore.ts";
import type { Session } from "./session.ts";

interface Loss {
  readonly said: string;
  readonly backup: BackupOutcome;
  readonly sql: readonly string[];
}

const inOrganization = (column: string): string =>
  `${column} IN (SELECT id FROM public.weddings WHERE organization_id = $1)`;

export async function demonstrateRestore(
  session: Session,
  temporal: Temporal,
  runs: readonly BackupRun[],
): Promise<void> {
  const { output } = session;
  const made = runs.filter((run): run is BackupOutcome => !isFailed(run));
  const [first, last] = [made[0], made.at(-1)];
  if (first === undefined || last === undefined) return;
  const losses: readonly Loss[] = [
    {
      said: "somebody deletes the whole seating plan",
      backup: first,
      sql: [`DELETE FROM public.seating_tables WHERE ${inOrganization("wedding_id")}`],
    },
    {
      said: "somebody deletes a whole organization, its guests, vendors, contracts and photos' rows",
      backup: last,
      sql: [
        `DELETE FROM public.comments WHERE subject_id IN (SELECT id FROM public.guests WHERE organization_id = $1
           UNION SELECT id FROM public.tasks WHERE organization_id = $1 UNION SELECT id FROM public.vendors WHERE organization_id = $1)`,
        "DELETE FROM public.contracts WHERE organization_id = $1",
        "DELETE FROM public.organizations WHERE id = $1",
      ],
    },
  ];
  output.say("\nA demonstration on these sample weddings (--no-demo leaves it out). Data is lost on purpose:");
  for (const { said, backup, sql } of losses) {
    await execute(session.sourceUrl, sql, backup.organizationId);
    output.say(`\n— ${said}. A dry run says what a restore would bring back:`);
    const look = await bringBack(session, temporal, backup, true);
    output.say(describeDifferences(look.differences));
    const restored = await bringBack(session, temporal, backup, false);
    const rows = restored.applied.reduce((sum, table) => sum + table.inserted + table.updated, 0);
    output.say(`restored: ${number(rows)} rows in ${seconds(restored.durationMs)}`);
    output.say(`proven before the commit: ${restored.proofs.join(", ")}`);
    const again = await bringBack(session, temporal, backup, true);
    output.say(`looked again: ${describeDifferences(again.differences)}`);
  }
  // The newest backup is the one that each restore made of the damage; leave one of the whole again.
  const ids = losses.map(({ backup }) => backup.organizationId);
  await backUpAll(session, temporal, ids, { dataSets: null, proof: "content" });
  output.say("\nBoth organizations were backed up again.\n");
}

async function bringBack(
  session: Session,
  temporal: Temporal,
  backup: BackupOutcome,
  dryRun: boolean,
): Promise<RestoreOutcome> {
  const { organizationId, sequence } = backup;
  const order: RestoreOrder = {
    ...restoreDefaults,
    restoreId: randomUUID(),
    organizationId,
    targetOrganizationId: organizationId,
    dryRun,
    approval: "given",
    // The backup before the loss, not the one that is made right before a restore.
    choice: { by: "sequence", sequence },
    requestedBy: "demonstration",
  };
  await orderRestore(session, { order, records: null, targetUrl: null });
  return await followToEnd(session, temporal, order, { file: null, terminal: null, rows: 0 });
}

async function execute(url: string, statements: readonly string[], organizationId: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const sql of statements) await client.query(sql, [organizationId]);
  } finally {
    await client.end();
  }
}
