// Composes the facade out of a session: its own database role, its limiter, who may ask.
import { createHmac, randomBytes } from "node:crypto";
import { Pool } from "pg";
import { pino } from "pino";
import { findAuthSecret } from "../config/auth-secret.ts";
import { openBoundSessions, readBindingKey } from "../control/bound-sessions.ts";
import { createAuthenticator } from "../facade/authenticator.ts";
import { JobWatch } from "../facade/job-watch.ts";
import { startMetrics } from "../facade/metrics.ts";
import { createRateLimits, type RateLimits, type RateLimitStore } from "../facade/rate-limits.ts";
import { startFacade, type RunningFacade } from "../facade/start-facade.ts";
import { createBackupFinder } from "../facade/stored-backups.ts";
import { drawPage } from "./report.ts";
import { withTarget } from "./restore.ts";
import { sealChannelSecret, sealChannelTarget } from "./sealed-targets.ts";
import type { Session } from "./session.ts";

const organizationsAgeMs = 10_000;

export async function openFacade(session: Session, place: { port: number; host: string }): Promise<RunningFacade> {
  const { config, output } = session;
  const closers: (() => Promise<unknown>)[] = [];
  const secret = await findAuthSecret(config, (line) => output.say(line));
  const authenticate = createAuthenticator({ ...config.facade.auth, secret });
  const [client, control, store, source, catalogue] = [
    await session.client(),
    await session.control(),
    await session.store(),
    await session.source(),
    await session.catalogue(),
  ];
  const bindingKey = await readBindingKey(control);
  const sessions = openBoundSessions({ url: config.facade.databaseUrl ?? session.controlUrl, bindingKey });
  closers.push(() => sessions.close());
  const limits = await openRateLimits(session, closers);
  if (config.facade.metricsPort !== null) {
    const metrics = await startMetrics(sessions, { port: config.facade.metricsPort, host: place.host });
    output.say(`metrics at ${metrics.url}`);
    closers.push(() => metrics.stop());
  }
  if (config.facade.ipHashSalt === null && config.sourceUrl !== null)
    output.say("IP_HASH_SALT is not set: addresses in the audit log can't be compared across restarts");
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, level: "info" }, pino.destination(2));
  const facade = await startFacade({
    ...place,
    dependencies: {
      sessions,
      client,
      authenticate,
      limits,
      backups: createBackupFinder(() => session.repository()),
      watch: new JobWatch(client),
      readDifferences: (restoreId, page) =>
        withTarget(session, { restoreId }, (target) => target.readDifferences(restoreId, page)),
      masks: catalogue.masks ?? [],
      drawReport: drawPage,
      drawReportPdf: async (report) => (await import("./report-pdf.ts")).drawPdf(report), // its libraries are large
      dataSets: catalogue.dataSets.map((dataSet) => dataSet.name),
      listOrganizations: keepFor(organizationsAgeMs, () => source.listOrganizations(catalogue.root)),
      notifications: {
        allowedHosts: config.notifications.allowedHosts,
        sealTarget: (channelId, target) => sealChannelTarget(session, channelId, target),
        sealSecret: (channelId, text) => sealChannelSecret(session, channelId, text),
      },
      checks: {
        temporal: () => client.workflowService.getSystemInfo({}),
        database: () => control.query("SELECT 1"),
        storage: () => store.stat("repository"),
      },
      // Who asked what is in the audit log; the requests' own lines are for those who run this on its own.
      log: session.stack === null ? log : { info: () => {}, error: (fields, message) => log.error(fields, message) },
      ipHashSalt: config.facade.ipHashSalt ?? randomBytes(32).toString("hex"),
      signingKey: createHmac("sha256", bindingKey).update("wedsync-backup facade").digest(),
      trustedProxies: config.facade.trustedProxies,
      tracing: await session.tracing(),
      temporalUiUrl: session.temporalUiUrl,
    },
  });
  return {
    url: facade.url,
    async stop() {
      await facade.stop();
      for (const close of closers.reverse()) await close();
    },
  };
}

async function openRateLimits(session: Session, closers: (() => Promise<unknown>)[]): Promise<RateLimits> {
  const { redisUrl } = session.config.facade;
  let store: RateLimitStore;
  if (redisUrl === null) {
    // A count that a crash of the server loses is no harm; waiting for its disk with every request would be.
    const pool = new Pool({
      connectionString: session.controlUrl,
      application_name: "wedsync-backup limits",
      options: "-c synchronous_commit=off",
      max: 4,
      connectionTimeoutMillis: 3_000,
    });
    pool.on("error", () => {}); // shows itself with the next count
    closers.push(() => pool.end());
    store = { kind: "postgres", pool };
  } else {
    const { createClient } = await import("redis");
    const client = createClient({ url: redisUrl, disableOfflineQueue: true, socket: { connectTimeout: 3_000 } });
    client.on("error", () => {}); // it reconnects by itself; meanwhile counts fail, and what they guard is refused
    await client.connect().catch(() => {});
    closers.push(async () => client.destroy());
    store = { kind: "redis", client };
  }
  return createRateLimits(store);
}

/** Asked again when it is older; a failure is not kept. */
function keepFor<T>(ageMs: number, ask: () => Promise<T>): () => Promise<T> {
  let kept: { at: number; value: Promise<T> } | null = null;
  return () => {
    if (kept !== null && performance.now() - kept.at < ageMs) return kept.value;
    const value = ask();
    kept = { at: performance.now(), value };
    value.catch(() => (kept = null));
    return value;
  };
}
