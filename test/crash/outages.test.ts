// What a run stands on goes away in the middle of it: the backend that holds the snapshot, Postgres, the Temporal server, the
// worker by an orderly stop. The run goes on by itself, and ends in one backup that restores.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { followBackup, type StartedBackup } from "../../src/client/start-backup.ts";
import type { BackupOutcome } from "../../src/domain/backup-request.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded-postgres.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { startTemporalServer } from "../../src/local/temporal-server.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig, type RigOptions } from "../support/backup-rig.ts";
import { startChildWorker } from "../support/child-worker.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { onServer } from "../support/test-database.ts";
import { waitUntil } from "../support/wait-until.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function makeRig(options: RigOptions = {}): Promise<BackupRig> {
  const rig = await createBackupRig({ size: { organizations: 1 }, ...options });
  ends.push(() => rig.close());
  return rig;
}

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-outage-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  ends.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Begins a backup and stops it right before its first upload. */
async function pauseMidway(rig: BackupRig): Promise<{ started: StartedBackup; release: () => void }> {
  const reached: ActivityPoint[] = [];
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const [organizationId = ""] = rig.organizationIds;
  const pauses = [{ organizationId, activity: "uploadBatch", when: "before" as const }];
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, released, onReached: (point) => reached.push(point) })],
  });
  const started = await rig.request(organizationId);
  await waitUntil("the upload waits", () => reached.length === 1);
  return { started, release: () => release() };
}

async function expectOneBackup(rig: BackupRig, started: StartedBackup): Promise<BackupOutcome> {
  const outcome = await followBackup(rig.client, started);
  expect(outcome).toMatchObject({ status: "completed", sequence: 1, proof: "content" });
  const { manifests, unnamedPacks } = await proveBackups(rig, outcome.organizationId);
  expect(manifests.map((manifest) => manifest.backupId)).toEqual([started.backupId]);
  expect(unnamedPacks).toBe(0);
  expect(await rig.job(started.backupId)).toMatchObject({ status: "completed", sequence: 1, errorCode: null });
  expect(await rig.database.query("SELECT 1 FROM backup.backup_leases")).toEqual([]);
  return outcome;
}

test("the backend that holds the snapshot is ended", async () => {
  const rig = await makeRig();
  const { started, release } = await pauseMidway(rig);
  const ended = await rig.database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'wedsync-backup' AND xact_start IS NOT NULL`,
  );
  expect(ended.length).toBeGreaterThan(0);
  release();
  expect((await expectOneBackup(rig, started)).restarts).toBeGreaterThan(0);
});

test("Postgres is restarted", async () => {
  const folder = join(await ownFolder(), "postgres");
  let postgres = await startEmbeddedPostgres(folder);
  ends.push(() => postgres.stop());
  await postgres.createDatabase("weddings");
  const url = postgres.url("weddings");
  const rig = await makeRig({
    database: {
      url,
      name: "weddings",
      query: (sql, parameters) => onServer(url, sql, parameters),
      drop: async () => {}, // it goes with its server
    },
  });
  const { started, release } = await pauseMidway(rig);
  await postgres.stop();
  postgres = await startEmbeddedPostgres(folder);
  expect(postgres.url("weddings")).toBe(url);
  release();
  expect((await expectOneBackup(rig, started)).restarts).toBeGreaterThan(0);
});

test("the Temporal server is restarted", async () => {
  const folder = await ownFolder();
  const cliPath = process.env["TEMPORAL_CLI_PATH"] ?? null;
  const cli = await findTemporalCli({ cliPath, cacheDir: cacheFolder(process.env), say: () => {} });
  let temporal = await startTemporalServer({ folder, cli });
  ends.push(() => temporal.stop());
  const rig = await makeRig({ temporalAddress: temporal.address });
  const { started, release } = await pauseMidway(rig);
  const { address } = temporal;
  await temporal.stop();
  temporal = await startTemporalServer({ folder, cli });
  expect(temporal.address).toBe(address);
  release();
  await expectOneBackup(rig, started);
});

test("the worker is told to stop, and another takes over", async () => {
  const rig = await makeRig();
  const [organizationId = ""] = rig.organizationIds;
  const pauses = [{ organizationId, activity: "uploadBatch", when: "before" as const }];
  const first = await startChildWorker(rig, { pauses });
  ends.push(() => first.end("SIGKILL"));
  const started = await rig.request(organizationId);
  await waitUntil("the upload waits", () => first.reached.length === 1);
  await first.end("SIGTERM");
  expect(first.output()).toContain('{"stopped":true}');
  const second = await startChildWorker(rig);
  ends.push(() => second.end("SIGTERM"));
  expect((await expectOneBackup(rig, started)).restarts).toBeGreaterThan(0);
});
