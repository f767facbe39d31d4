// A worker in a process of its own, for tests that kill it. Says on stdout, a JSON line each: that it is ready, and which
// points it reached. Run by startChildWorker; not a test.
import type { SealedTarget } from "../../src/ports/notifications.ts";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { createFolderMediaSource } from "../../src/adapters/media-source/folder.ts";
import { openChannelTarget } from "../../src/adapters/notification/open-channel-target.ts";
import { createNotificationSender } from "../../src/adapters/notification/notification-sender.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { createRestoreTarget } from "../../src/adapters/postgres/restore/restore-target.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import { openControlDatabase } from "../../src/control/control-database.ts";
import { connectClient } from "../../src/client/connect.ts";
import { endSchedules } from "../../src/client/start-erasure.ts";
import { createLedgers } from "../../src/control/ledgers.ts";
import { createNotificationLedger } from "../../src/control/notification-ledger.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { loadWorkflowBundle } from "../../src/worker/bundle-workflows.ts";
import { startWorker } from "../../src/worker/run-worker.ts";
import { createFolderMediaTarget } from "../../src/adapters/media-target/folder.ts";
import { openRuleChecker } from "../../src/adapters/postgres/rule-checker.ts";
import { testRestore } from "../../src/recover/restore-test.ts";
import type { RestoreTarget } from "../../src/ports/restore-target.ts";
import { activityPoints } from "./activity-points.ts";
import type { ChildWorkerSettings } from "./child-worker.ts";

const settings = JSON.parse(process.env["TEST_WORKER"] ?? "{}") as ChildWorkerSettings;
const { temporal, databaseUrl, storeDir, mediaDir, key, points, maxSnapshots, graceMs, notifyHosts, metricsAddress } =
  settings;
const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const log = (level: string) => (message: string, fields?: Record<string, unknown>) =>
  void process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);

const control = openControlDatabase(databaseUrl);
const source = createPostgresSource({ url: databaseUrl });
const connected = await connectClient(temporal);
const worker = await startWorker({
  temporal,
  workflowBundle: await loadWorkflowBundle(cacheFolder(process.env)),
  dependencies: {
    source,
    catalogue: await loadCatalogue(null),
    media: createFolderMediaSource(mediaDir),
    repository: await openRepository(createFilesystemStore({ rootDir: storeDir }), key),
    ...createLedgers(control),
    endSchedules: (input) => endSchedules(connected.client, input),
    openRestoreTarget: async (targetSealed): Promise<RestoreTarget> =>
      targetSealed === null
        ? createRestoreTarget({ url: databaseUrl })
        : Promise.reject(new Error("no other target in this worker")),
    openRuleChecker: (targetSealed) => openRuleChecker(targetSealed ?? databaseUrl),
    mediaTarget: createFolderMediaTarget(mediaDir),
    testRestore: (input) => testRestore(databaseUrl, input),
    notifications: {
      ledger: createNotificationLedger(control),
      sender: createNotificationSender({ webhook: { allowedHosts: notifyHosts }, mail: null }),
      openTarget: (channelId: string, sealed: SealedTarget) => openChannelTarget(key, channelId, sealed),
    },
    log: { info: log("info"), warn: log("warn"), error: log("error") },
    toolVersion: "test",
  },
  maxSnapshots,
  graceMs,
  ...(metricsAddress === null ? {} : { metricsAddress }),
  activityInterceptors: [activityPoints({ ...points, onReached: (reached) => say({ reached }) })],
});
say({ ready: true });
process.once("SIGTERM", () => void worker.stop());
await worker.done;
await connected.close();
await control.close();
await source.close();
say({ stopped: true });
