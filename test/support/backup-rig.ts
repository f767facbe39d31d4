// A whole backup system for a test, on the real servers: a database with sample weddings (the control tables beside them),
// a Temporal namespace of its own, a repository in a folder, photos, and workers in this process or in others.
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { createFolderMediaSource } from "../../src/adapters/media-source/folder.ts";
import { createFolderMediaTarget } from "../../src/adapters/media-target/folder.ts";
import { openChannelTarget } from "../../src/adapters/notification/open-channel-target.ts";
import { createNotificationSender } from "../../src/adapters/notification/notification-sender.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import { openRuleChecker } from "../../src/adapters/postgres/rule-checker.ts";
import { connectClient, type ConnectedClient } from "../../src/client/connect.ts";
import { ensureSearchAttributes } from "../../src/client/search-attributes.ts";
import { endSchedules, type SchedulesToEnd } from "../../src/client/start-erasure.ts";
import { followBackup, requestBackup, type StartedBackup } from "../../src/client/start-backup.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { createLedgers } from "../../src/control/ledgers.ts";
import { listJobs, type JobRow } from "../../src/control/jobs.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { createNotificationLedger } from "../../src/control/notification-ledger.ts";
import { openText, restoreTargetPurpose } from "../../src/crypto/sealed-text.ts";
import type { BackupOutcome, BackupRequest } from "../../src/domain/backup-request.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import type { MediaSource } from "../../src/ports/media-source.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import type { NotificationSender, SealedTarget } from "../../src/ports/notifications.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import type { Tracing } from "../../src/ports/tracing.ts";
import { testRestore, type RestoreTestInput } from "../../src/recover/restore-test.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import type { SampleSize } from "../../src/samples/sample-size.ts";
import { loadWorkflowBundle } from "../../src/worker/bundle-workflows.ts";
import { startWorker, type RunningWorker } from "../../src/worker/run-worker.ts";
import { createNamespace } from "./temporal-namespace.ts";
import { createWeddings } from "./sample-weddings.ts";
import type { TestDatabase } from "./test-database.ts";

export interface RigOptions {
  readonly size?: Partial<SampleSize>;
  /** Servers of the test's own, where it stops them. */
  readonly temporalAddress?: string;
  readonly database?: TestDatabase;
}

export interface WorkerFaults {
  readonly repository?: Repository;
  readonly source?: SourceDatabase;
  readonly media?: MediaSource;
  readonly sender?: NotificationSender;
  readonly activityInterceptors?: readonly ActivityInterceptorsFactory[];
  readonly maxSnapshots?: number;
  readonly benchBytes?: number;
  readonly batchBytes?: number;
  readonly maxCachedWorkflows?: number;
  readonly tracing?: Tracing;
}

export type BackupRig = Awaited<ReturnType<typeof createBackupRig>>;

export async function createBackupRig(options: RigOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-rig-"));
  await chmod(folder, 0o700);
  const storeDir = join(folder, "store");
  const mediaDir = join(folder, "media");
  const { database, organizationIds } = await createWeddings({
    seed: 7,
    mediaDir,
    size: options.size,
    database: options.database,
  });
  await migrateControlTables(database.url);
  const catalogue: Catalogue = await loadCatalogue(null);
  const key = randomBytes(32).toString("base64");
  const store: ObjectStore = createFilesystemStore({ rootDir: storeDir });
  const repository = await createOrOpenRepository(store, key);
  const source = createPostgresSource({ url: database.url });
  const media = createFolderMediaSource(mediaDir);
  const control: ControlDatabase = openControlDatabase(database.url);
  const temporal = {
    address: options.temporalAddress ?? process.env["TEST_TEMPORAL_ADDRESS"] ?? "",
    namespace: `test-${randomBytes(6).toString("hex")}`,
    apiKey: null,
    tls: null,
  };
  await createNamespace(temporal.address, temporal.namespace);
  const connected: ConnectedClient = await connectClient(temporal);
  const { client } = connected;
  await ensureSearchAttributes(client, temporal.namespace);
  const workflowBundle = await loadWorkflowBundle(cacheFolder(process.env));
  const logLines: string[] = [];
  const workers: RunningWorker[] = [];

  const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void logLines.push(JSON.stringify({ level, message, ...fields }));

  const targetUrl = async (sealed: string | null): Promise<string> =>
    sealed === null ? database.url : await openText(key, restoreTargetPurpose, sealed);

  return {
    folder,
    storeDir,
    mediaDir,
    database,
    organizationIds,
    catalogue,
    key,
    store,
    repository,
    source,
    media,
    control,
    temporal,
    client,
    workflowBundle,
    /** What the workers of this process logged. */
    logLines,

    async startWorker(faults: WorkerFaults = {}): Promise<RunningWorker> {
      const {
        maxSnapshots,
        benchBytes,
        batchBytes,
        maxCachedWorkflows,
        activityInterceptors,
        sender,
        tracing,
        ...parts
      } = faults;
      const dependencies = {
        source,
        catalogue,
        media,
        repository,
        ...createLedgers(control),
        endSchedules: (input: SchedulesToEnd) => endSchedules(client, input),
        openRestoreTarget: async (targetSealed: string | null) =>
          createRestoreTarget({ url: await targetUrl(targetSealed) }),
        openRuleChecker: async (targetSealed: string | null) => await openRuleChecker(await targetUrl(targetSealed)),
        mediaTarget: createFolderMediaTarget(mediaDir),
        testRestore: (input: RestoreTestInput) => testRestore(database.url, input),
        notifications: {
          ledger: createNotificationLedger(control),
          sender: sender ?? createNotificationSender({ webhook: { allowedHosts: [] }, mail: null }),
          openTarget: (channelId: string, sealed: SealedTarget) => openChannelTarget(key, channelId, sealed),
        },
        log: { info: line("info"), warn: line("warn"), error: line("error") },
        toolVersion: "test",
        ...parts,
      };
      const worker = await startWorker({
        temporal,
        workflowBundle,
        dependencies,
        graceMs: 500,
        tracing: tracing ?? null,
        ...(maxSnapshots === undefined ? {} : { maxSnapshots }),
        ...(benchBytes === undefined ? {} : { benchBytes }),
        ...(batchBytes === undefined ? {} : { batchBytes }),
        ...(maxCachedWorkflows === undefined ? {} : { maxCachedWorkflows }),
        ...(activityInterceptors === undefined ? {} : { activityInterceptors }),
      });
      workers.push(worker);
      return worker;
    },

    request: (organizationId: string, asked: Partial<BackupRequest> = {}): Promise<StartedBackup> =>
      requestBackup(client, { organizationId, trigger: "cli", requestedBy: "test", ...asked }),

    async backUp(organizationId: string, asked: Partial<BackupRequest> = {}): Promise<BackupOutcome> {
      return await followBackup(
        client,
        await requestBackup(client, { organizationId, trigger: "cli", requestedBy: "test", ...asked }),
      );
    },

    async job(id: string): Promise<JobRow> {
      const [row] = await listJobs(control, { id, limit: 1 });
      if (row === undefined) throw new Error(`there is no job ${id}`);
      return row;
    },

    async packNames(organizationId: string): Promise<string[]> {
      const names: string[] = [];
      for await (const { name } of (await repository.openVault(organizationId)).listPacks()) names.push(name);
      return names;
    },

    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.stop().catch(() => {}))); // a test may have stopped it already
      await connected.close();
      await control.close();
      await source.close();
      await media.close();
      await store.close();
      if (options.database === undefined) await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
