// The outbox's other end: looks for deliveries that wait and hands each to a workflow of its own. Every worker does; the
// workflow's id makes one run of however many hand it over. A fault here is a line in the log and another try.
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "@temporalio/client";
import type { ActivityLog } from "../../activities/dependencies.ts";
import { startNotification } from "../client/start-notification.ts";
import { BackupError } from "../domain/errors.ts";
import type { NotificationLedger } from "../ports/notifications.ts";

export interface NotificationRelay {
  stop(): Promise<void>;
}

const pauseMs = 2_000;
/** With the control tables or Temporal away: their absence is told once in a while, not every two seconds. */
const longestPauseMs = 60_000;
const mostAtOnce = 50;

export function startRelay(client: Client, ledger: NotificationLedger, log: ActivityLog): NotificationRelay {
  const stopping = new AbortController();
  const running = relay(client, ledger, log, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function relay(
  client: Client,
  ledger: NotificationLedger,
  log: ActivityLog,
  stopping: AbortSignal,
): Promise<void> {
  for (let waitMs = pauseMs; !stopping.aborted;) {
    await sleep(waitMs, undefined, { signal: stopping }).catch(() => {}); // a stop ends it early
    if (stopping.aborted) return;
    try {
      while ((await handOver(client, ledger)) === mostAtOnce && !stopping.aborted);
      waitMs = pauseMs;
    } catch (error) {
      waitMs = Math.min(longestPauseMs, waitMs * 2);
      const code = error instanceof BackupError ? error.code : "Internal";
      log.warn("notifications wait: they can't be handed over", { code });
    }
  }
}

async function handOver(client: Client, ledger: NotificationLedger): Promise<number> {
  const waiting = await ledger.listWaiting(mostAtOnce);
  for (const order of waiting) await startNotification(client, order);
  if (waiting.length > 0) await ledger.markHanded(waiting.map((order) => order.deliveryId));
  return waiting.length;
}
