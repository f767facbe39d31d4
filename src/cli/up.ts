// wedsync-backup up (npm start): everything on this machine, then a first proven backup, then where to look.
import { join } from "node:path";
import { Client } from "pg";
import { reconcilePolicySchedules } from "../client/policy-schedules.ts";
import { listPolicies, putPolicy } from "../control/policies.ts";
import type { BackupOutcome } from "../domain/backup-request.ts";
import { policyDefaults } from "../domain/policy.ts";
import { startFacade } from "../facade/health.ts";
import { findFreePort } from "../local/free-port.ts";
import { recoverToDatabase } from "../recover/recover-to-database.ts";
import { createSampleSchema, generateSampleWeddings } from "../samples/generate.ts";
import { samplePresets } from "../samples/sample-size.ts";
import { backUpAll, describeRuns, exitCodeOf, isFailed, type FailedRun } from "./backup.ts";
import { bytes, number, seconds, table } from "./output.ts";
import type { Session } from "./session.ts";

const sampleSeed = 1;

export async function runUp(session: Session, options: { once: boolean }): Promise<number> {
  const { output, config } = session;
  const startedMs = performance.now();
  output.say("starting the servers …");
  const stack = await session.startStack();
  if (stack.isNewDatabase) {
    await createSampleSchema(session.sourceUrl);
    const made = await generateSampleWeddings({
      ...samplePresets.demo,
      databaseUrl: session.sourceUrl,
      mediaDir: session.mediaUrl,
      seed: sampleSeed,
    });
    output.say(
      `made ${made.organizationIds.length} sample organizations: ${number(made.rows)} rows, ${made.files} photos`,
    );
  }
  const [control, client, source, catalogue] = [
    await session.control(),
    await session.client(),
    await session.source(),
    await session.catalogue(),
  ];
  await session.startWorker();
  const ids = await source.listOrganizations(catalogue.root);
  if (config.sourceUrl === null) await makeNightlyPolicies(session, ids);
  await reconcilePolicySchedules(client, await listPolicies(control));
  output.say(`ready after ${seconds(performance.now() - startedMs)}; backing up ${ids.length} organizations …`);
  const runs = await backUpAll(session, client, ids, { dataSets: null, proof: "content" });

  if (options.once) return await finishOnce(session, runs);
  const facade = await startFacade({
    port: await findFreePort(config.port),
    host: "127.0.0.1",
    checks: {
      temporal: () => client.workflowService.getSystemInfo({}),
      database: () => control.query("SELECT 1"),
      storage: async () => (await session.store()).stat("repository"),
    },
  });
  await stack.folder.announce({ ...stack, facadeUrl: facade.url });
  output.result(
    { runs, temporalUiUrl: stack.temporalUiUrl, facadeUrl: facade.url },
    () => `${describeRuns(runs)}\n\n${whereToLook(session, facade.url, ids[0])}`,
  );
  await untilInterrupted();
  output.say("stopping …");
  await facade.stop();
  return exitCodeOf(runs);
}

async function makeNightlyPolicies(session: Session, ids: readonly string[]): Promise<void> {
  const control = await session.control();
  if ((await listPolicies(control)).length > 0) return;
  for (const organizationId of ids) {
    await putPolicy(control, {
      ...policyDefaults,
      organizationId,
      name: "nightly",
      cron: "0 2 * * *",
      dataSets: null,
      paused: false,
    });
  }
}

function whereToLook(session: Session, facadeUrl: string, organizationId: string | undefined): string {
  const { stack, config } = session;
  const example = organizationId ?? "ID";
  return [
    `Temporal Web UI   ${stack?.temporalUiUrl ?? `of ${session.temporal.address}`}  (workflows backup/…, schedules backup:…)`,
    `Repository        ${config.storage.provider === "filesystem" ? config.storage.bucket : `bucket ${config.storage.bucket}`}  (sealed; key: ${config.encryptionKey === null ? join(config.dataDir, "encryption-key") : "BACKUP_ENCRYPTION_KEY"})`,
    `Health            ${facadeUrl}/readyz`,
    "",
    "In another terminal:",
    `  npx wedsync-backup list`,
    `  npx wedsync-backup show latest --organization ${example}`,
    `  npx wedsync-backup recover latest --organization ${example} --to ./recovered`,
    `  npx wedsync-backup policy list`,
    "",
    "Ctrl-C stops everything; what was made stays.",
  ].join("\n");
}

async function untilInterrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

interface RestoreTest {
  readonly organizationId: string;
  readonly rows: number;
  readonly durationMs: number;
  readonly error: string | null;
}

/** Each backup is restored into a scratch database of its own, which is dropped again. */
async function finishOnce(session: Session, runs: readonly (BackupOutcome | FailedRun)[]): Promise<number> {
  const tests: RestoreTest[] = [];
  for (const run of runs) if (!isFailed(run)) tests.push(await restoreTest(session, run));
  const proven = tests.filter((test) => test.error === null).length;
  const allProven = runs.every((run) => !isFailed(run)) && proven === runs.length;
  session.output.result({ runs, restoreTests: tests, proven: allProven }, () => {
    const rows = tests.map((test) => [
      test.organizationId,
      number(test.rows),
      seconds(test.durationMs),
      test.error === null ? "restored, rows and foreign keys equal" : test.error,
    ]);
    const size = runs.reduce((sum, run) => sum + (isFailed(run) ? 0 : run.storedBytes), 0);
    return [
      describeRuns(runs),
      table(["organization", "rows", "restore test", "result"], rows),
      `${proven} of ${runs.length} organizations proven restorable; ${bytes(size)} stored now`,
    ].join("\n");
  });
  if (exitCodeOf(runs) !== 0) return exitCodeOf(runs);
  return allProven ? 0 : 3;
}

async function restoreTest(session: Session, run: BackupOutcome): Promise<RestoreTest> {
  const name = `wedsync_restore_test_${run.backupId.replaceAll("-", "").slice(0, 16)}`;
  const startedMs = performance.now();
  const scratch = new URL(session.controlUrl);
  const admin = new Client({ connectionString: scratch.href });
  admin.on("error", () => {}); // shows itself with the next query
  const { organizationId, backupId, sequence } = run;
  try {
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    scratch.pathname = `/${name}`;
    const vault = await (await session.repository()).openVault(organizationId);
    const { manifest } = await vault.readManifest(sequence);
    const { rows } = await recoverToDatabase({ vault, manifest, databaseUrl: scratch.href });
    await admin.query(
      `INSERT INTO backup.backup_verification_results (organization_id, job_id, level, proven, objects, bytes, started_at) VALUES ($1, $2, 'restore', true, $3, $4, $5)`,
      [
        organizationId,
        backupId,
        manifest.tables.length,
        manifest.tables.reduce((sum, each) => sum + each.rawBytes, 0),
        new Date(Date.now() - (performance.now() - startedMs)),
      ],
    );
    return { organizationId, rows, durationMs: Math.round(performance.now() - startedMs), error: null };
  } catch (error) {
    const code = (error as { code?: string }).code ?? "unknown";
    return {
      organizationId,
      rows: 0,
      durationMs: Math.round(performance.now() - startedMs),
      error: `not restored: ${code}`,
    };
  } finally {
    await admin.query(`DROP DATABASE IF EXISTS ${name}`).catch(() => {}); // the connection is gone, and with it the server
    await admin.end().catch(() => {});
  }
}
