// Composes a worker out of a session: every adapter that an activity asks for by its port.
import { createNotificationSender } from "../adapters/notification/notification-sender.ts";
import { openChannelTarget } from "../adapters/notification/open-channel-target.ts";
import { openRuleChecker } from "../adapters/postgres/rule-checker.ts";
import { endSchedules, type SchedulesToEnd } from "../client/start-erasure.ts";
import { ensureOverdueWatch } from "../client/start-notification.ts";
import { createLedgers } from "../control/ledgers.ts";
import { createNotificationLedger } from "../control/notification-ledger.ts";
import type { SealedTarget } from "../ports/notifications.ts";
import { testRestore, type RestoreTestInput } from "../recover/restore-test.ts";
import { loadWorkflowBundle } from "../worker/bundle-workflows.ts";
import type { RunningWorker } from "../worker/run-worker.ts";
import { openRestoreTarget, restoreTargetUrl } from "./sealed-targets.ts";
import { toolVersion, type Session } from "./session.ts";

/** One for this process, however often it is asked for. */
export function openWorker(session: Session): Promise<RunningWorker> {
  return session.resources.once("worker", () => startOwnWorker(session));
}

/** Where nobody runs a worker for this folder or cluster, the command brings its own. */
export async function bringWorker(session: Session): Promise<void> {
  if (session.stack !== null) await openWorker(session);
}

async function startOwnWorker(session: Session): Promise<RunningWorker> {
  const { startWorker } = await import("../worker/run-worker.ts"); // the SDK's core takes half a second to load
  const client = await session.client();
  await ensureOverdueWatch(client);
  const [source, catalogue, media, mediaTarget, repository, control, workflowBundle] = await Promise.all([
    session.source(),
    session.catalogue(),
    session.media(),
    session.mediaTarget(),
    session.repository({ create: true }),
    session.control(),
    loadWorkflowBundle(session.cacheDir),
  ]);
  const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
  const log = { info: () => {}, warn: line("warn"), error: line("error") };
  const { mail, allowedHosts } = session.config.notifications;
  const sender = createNotificationSender({ webhook: { allowedHosts }, mail });
  session.resources.closeLater(() => sender.close());
  const dependencies = {
    source,
    catalogue,
    media,
    mediaTarget,
    repository,
    ...createLedgers(control),
    endSchedules: (input: SchedulesToEnd) => endSchedules(client, input),
    openRestoreTarget: (sealed: string | null) => openRestoreTarget(session, sealed),
    openRuleChecker: async (sealed: string | null) => openRuleChecker(await restoreTargetUrl(session, sealed)),
    testRestore: (input: RestoreTestInput) => testRestore(session.scratchUrl, input),
    notifications: {
      ledger: createNotificationLedger(control),
      sender,
      openTarget: async (channelId: string, sealed: SealedTarget) =>
        await openChannelTarget(await session.encryptionKey(), channelId, sealed),
    },
    log,
    toolVersion,
  };
  const { workerMetricsPort } = session.config;
  // The local stack is this machine's own business; a worker in production is scraped from elsewhere.
  const metricsHost = session.stack === null ? "0.0.0.0" : "127.0.0.1";
  const worker = await startWorker({
    temporal: session.temporal,
    workflowBundle,
    dependencies,
    tracing: await session.tracing(),
    ...(workerMetricsPort === null ? {} : { metricsAddress: `${metricsHost}:${workerMetricsPort}` }),
  });
  session.resources.closeLater(() => worker.stop());
  return worker;
}
