// Figures for Prometheus, on a port of their own: they name every organization, so they are for the operators' network,
// not for callers of the API. Read from the control tables when they are asked for; a figure that can't be read is absent
// and `wedsync_control_up` is 0, because an old figure would silence the alert that it is there for.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Gauge, Registry } from "@prometheus-io/client";
import type { BoundSessions } from "../control/bound-sessions.ts";
import { readMetricFigures, readNotificationFigures, type OrganizationFigures } from "../control/metric-figures.ts";
import { BackupError } from "../domain/errors.ts";
import type { RunningFacade } from "./start-facade.ts";

/** So many organizations have labels of their own; those that need a look come first. The totals count these. */
const mostOrganizations = 1_000;

const figures: readonly [string, string, (of: OrganizationFigures) => number | null][] = [
  ["wedsync_backup_last_success_timestamp_seconds", "When the last good backup began", (of) => of.lastGood],
  ["wedsync_backup_last_failure_timestamp_seconds", "When a backup failed last", (of) => of.lastFailed],
  ["wedsync_restore_verified_timestamp_seconds", "When a backup was proven last", (of) => of.lastProven],
  ["wedsync_backup_overdue_policies", "Policies that are due and have no good backup", (of) => of.overduePolicies],
  ["wedsync_policy_runs_skipped", "Runs that Temporal's schedules did not start", (of) => of.skippedRuns],
  ["wedsync_verifications_failed", "Proofs that found something within a day", (of) => of.failedVerifications],
  ["wedsync_backup_stored_bytes", "Bytes that backups added to the store", (of) => of.storedBytes],
  ["wedsync_backup_jobs_good", "Backups that were made", (of) => of.jobsGood],
  ["wedsync_backup_jobs_failed", "Backups that failed", (of) => of.jobsFailed],
];

export function createMetrics(sessions: BoundSessions): { read(): Promise<{ type: string; text: string }> } {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const up = new Gauge({
    name: "wedsync_control_up",
    help: "Whether the control tables answer",
    registers: [registry],
  });
  const notificationGauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const open = notificationGauge("wedsync_notifications_open", "Notifications that are not delivered yet");
  const failed = notificationGauge("wedsync_notifications_failed", "Notifications that were given up within a day");
  const gauges = figures.map(
    ([name, help]) => new Gauge({ name, help, labelNames: ["organization"], registers: [registry] }),
  );
  return {
    async read() {
      const read = await sessions
        .run({ organizationId: null, platform: true, actor: "metrics", role: "platform" }, async (bound) => ({
          organizations: await readMetricFigures(bound, mostOrganizations),
          notifications: await readNotificationFigures(bound),
        }))
        .catch((error: unknown) => {
          if (error instanceof BackupError) return null;
          throw error;
        });
      up.set(read === null ? 0 : 1);
      open.remove();
      failed.remove();
      if (read !== null) {
        open.set(read.notifications.open);
        failed.set(read.notifications.failed);
      }
      for (const [index, gauge] of gauges.entries()) {
        gauge.reset();
        for (const row of read?.organizations ?? []) {
          const value = figures[index]?.[2](row) ?? null;
          if (value !== null) gauge.set({ organization: row.organizationId }, value);
        }
      }
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

export async function startMetrics(
  sessions: BoundSessions,
  { port, host }: { port: number; host: string },
): Promise<RunningFacade> {
  const metrics = createMetrics(sessions);
  const server = createServer((request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") return void response.writeHead(404).end();
    metrics.read().then(
      ({ type, text }) => void response.writeHead(200, { "Content-Type": type }).end(text),
      () => void response.writeHead(500).end(), // the scrape fails, and says so by itself
    );
  });
  server.listen(port, host);
  await once(server, "listening"); // rejects when the port is taken
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
