// What a command works with, opened when it is first asked for and closed at its end: the repository, the source, the
// control tables, Temporal. Servers that this machine must run are found where `up` runs them, or started for the
// command's own time.
import { openMediaSource } from "../adapters/media-source/open-media-source.ts";
import { openMediaTarget } from "../adapters/media-target/open-media-target.ts";
import { openObjectStore } from "../adapters/object-store/open-object-store.ts";
import { openChannelTarget } from "../adapters/notification/open-channel-target.ts";
import { createNotificationSender } from "../adapters/notification/notification-sender.ts";
import { createPostgresSource } from "../adapters/postgres/postgres-source.ts";
import { createRestoreTarget } from "../adapters/postgres/restore/restore-target.ts";
import { openRuleChecker } from "../adapters/postgres/rule-checker.ts";
import { connectClient, type ConnectedClient, type TemporalAddress } from "../client/connect.ts";
import { ensureOverdueWatch } from "../client/start-notification.ts";
import { ensureSearchAttributes } from "../client/search-attributes.ts";
import { endSchedules, type SchedulesToEnd } from "../client/start-erasure.ts";
import type { Config } from "../config/config.ts";
import { findEncryptionKey } from "../config/encryption-key.ts";
import { loadCatalogue } from "../config/load-catalogue.ts";
import { openControlDatabase, type ControlDatabase } from "../control/control-database.ts";
import { createErasureLedger } from "../control/erasure-ledger.ts";
import { createJobLedger } from "../control/job-ledger.ts";
import { migrateControlTables } from "../control/migrate.ts";
import { resealChannels } from "../control/notification-secrets.ts";
import { createNotificationLedger } from "../control/notification-ledger.ts";
import { createRestoreLedger } from "../control/restore-ledger.ts";
import { resealRestoreTargets } from "../control/restores.ts";
import { createRetentionLedger } from "../control/retention-ledger.ts";
import {
  channelSecretPurpose,
  channelTargetPurpose,
  openText,
  restoreTargetPurpose,
  sealText,
} from "../crypto/sealed-text.ts";
import type { Catalogue } from "../domain/catalogue.ts";
import { BackupError } from "../domain/errors.ts";
import type { ChannelTarget } from "../domain/notification.ts";
import { findRunningServers, type RunningServers } from "../local/data-folder.ts";
import { startLocalStack, type LocalStack } from "../local/local-stack.ts";
import type { MediaSource } from "../ports/media-source.ts";
import type { MediaTarget } from "../ports/media-target.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { SealedTarget } from "../ports/notifications.ts";
import type { RestoreTarget } from "../ports/restore-target.ts";
import type { SourceDatabase } from "../ports/source-database.ts";
import type { Tracing } from "../ports/tracing.ts";
import { testRestore, type RestoreTestInput } from "../recover/restore-test.ts";
import { createOrOpenRepository, openRepository, type Repository } from "../repository/repository.ts";
import { loadWorkflowBundle } from "../worker/bundle-workflows.ts";
import type { RunningWorker } from "../worker/run-worker.ts";
import type { Output } from "./output.ts";

export const toolVersion = "0.1.0";

export class Session {
  readonly config: Config;
  readonly output: Output;
  readonly cacheDir: string;
  stack: LocalStack | null = null;
  private running: RunningServers | null = null;
  private readonly closers: (() => Promise<void>)[] = [];
  private readonly opened = new Map<string, Promise<unknown>>();

  constructor(config: Config, output: Output, cacheDir: string) {
    this.config = config;
    this.output = output;
    this.cacheDir = cacheDir;
  }

  /** Starts or finds what this machine must run itself. */
  async servers(): Promise<void> {
    await this.once("servers", async () => {
      const { config, output } = this;
      if (config.sourceUrl !== null && config.temporal.address !== null) return;
      this.running = await findRunningServers(config.dataDir);
      if (this.running !== null) return;
      output.say("starting the local servers for this command (`npm start` keeps them running)");
      await this.startStack();
    });
  }

  async startStack(): Promise<LocalStack> {
    const stack = await startLocalStack(this.config, { cacheDir: this.cacheDir, say: (line) => this.output.say(line) });
    this.stack = stack;
    this.running = stack;
    this.opened.set("servers", Promise.resolve());
    this.closers.push(() => stack.stop());
    return stack;
  }

  get sourceUrl(): string {
    const url = this.config.sourceUrl ?? this.running?.databaseUrl ?? null;
    if (url === null)
      throw new BackupError(
        "SourceUnreachable",
        "There is no source database. Set BACKUP_SOURCE_DATABASE_URL, or run `npm start` for the embedded one.",
      );
    return url;
  }

  get controlUrl(): string {
    return this.config.controlUrl ?? this.sourceUrl;
  }

  /** The server on which restore tests make their databases. */
  get scratchUrl(): string {
    return this.config.scratchUrl ?? this.controlUrl;
  }

  /** The embedded database's photos lie in the data folder. */
  get mediaUrl(): string | null {
    return this.config.mediaUrl ?? (this.config.sourceUrl === null ? `${this.config.dataDir}/media` : null);
  }

  get temporal(): TemporalAddress {
    const { address, namespace, apiKey, tls } = this.config.temporal;
    const found = address ?? this.running?.temporalAddress ?? null;
    if (found === null)
      throw new BackupError(
        "TemporalUnreachable",
        "There is no Temporal server. Set TEMPORAL_ADDRESS, or run `npm start`.",
      );
    return { address: found, namespace, apiKey, tls };
  }

  /** Known for the server that this machine runs; a cluster's is not. */
  get temporalUiUrl(): string | null {
    return this.running?.temporalUiUrl ?? null;
  }

  store(): Promise<ObjectStore> {
    return this.keep("store", () => openObjectStore(this.config.storage));
  }

  /** `create`: an empty bucket becomes a repository; else it must be one. */
  repository(options: { create: boolean } = { create: false }): Promise<Repository> {
    return this.once("repository", async () => {
      const [store, key] = await Promise.all([this.store(), this.encryptionKey()]);
      return await (options.create ? createOrOpenRepository(store, key) : openRepository(store, key));
    });
  }

  private encryptionKey(): Promise<string> {
    return findEncryptionKey(this.config, (line) => this.output.say(line));
  }

  catalogue(): Promise<Catalogue> {
    return this.once("catalogue", () => loadCatalogue(this.config.cataloguePath));
  }

  async source(): Promise<SourceDatabase> {
    await this.servers();
    return await this.keep("source", async () => createPostgresSource({ url: this.sourceUrl }));
  }

  async control(): Promise<ControlDatabase> {
    await this.servers();
    return await this.keep("control", async () => {
      await migrateControlTables(this.controlUrl);
      return openControlDatabase(this.controlUrl);
    });
  }

  /** The control tables where some are configured, or those of servers that run here; null where there are none. Starts nothing. */
  async knownControl(): Promise<ControlDatabase | null> {
    const { controlUrl, sourceUrl, dataDir } = this.config;
    const url = controlUrl ?? sourceUrl ?? (this.running ?? (await findRunningServers(dataDir)))?.databaseUrl ?? null;
    return url === null ? null : await this.keep("known control", async () => openControlDatabase(url));
  }

  media(): Promise<MediaSource> {
    return this.keep("media", () => openMediaSource(this.mediaUrl, this.config.storage));
  }

  mediaTarget(): Promise<MediaTarget> {
    return this.keep("media target", () => openMediaTarget(this.mediaUrl, this.config.storage));
  }

  /** The source for null, else the database whose URL sealTarget() sealed. Close it. */
  async openRestoreTarget(targetSealed: string | null): Promise<RestoreTarget> {
    return createRestoreTarget({ url: await this.targetUrl(targetSealed) });
  }

  /** For the restore's row: a worker elsewhere must find the URL, and nobody else. */
  async sealTarget(url: string): Promise<string> {
    return await sealText(await this.encryptionKey(), restoreTargetPurpose, url);
  }

  /** For the channel's row, as sealTarget. */
  async sealChannelTarget(channelId: string, target: ChannelTarget): Promise<string> {
    return await sealText(await this.encryptionKey(), channelTargetPurpose(channelId), JSON.stringify(target));
  }

  async sealChannelSecret(channelId: string, secret: string): Promise<string> {
    return await sealText(await this.encryptionKey(), channelSecretPurpose(channelId), secret);
  }

  /** For `keys rotate`: the new key must open what the present one has sealed. @returns how many targets it sealed */
  async resealTargets(newKey: string): Promise<{ channels: number; restores: number }> {
    const control = await this.control();
    const presentKey = await this.encryptionKey();
    const reseal = async (purpose: string, sealed: string): Promise<string | null> => {
      // A rotation that is asked for again finds some that the new key opens already. What neither opens was lost before.
      if ((await tryOpen(newKey, purpose, sealed)) !== null) return null;
      const text = await tryOpen(presentKey, purpose, sealed);
      return text === null ? null : await sealText(newKey, purpose, text);
    };
    return {
      channels: await resealChannels(control, (channelId, part, sealed) =>
        reseal(part === "target" ? channelTargetPurpose(channelId) : channelSecretPurpose(channelId), sealed),
      ),
      restores: await resealRestoreTargets(control, (sealed) => reseal(restoreTargetPurpose, sealed)),
    };
  }

  private async targetUrl(targetSealed: string | null): Promise<string> {
    if (targetSealed !== null) return await openText(await this.encryptionKey(), restoreTargetPurpose, targetSealed);
    await this.servers();
    return this.sourceUrl;
  }

  /** Null where no collector is configured; then nothing of OpenTelemetry is loaded. */
  async tracing(): Promise<Tracing | null> {
    const endpoint = this.config.tracesEndpoint;
    if (endpoint === null) return null;
    return await this.keep("tracing", async () => {
      const { openTracing } = await import("../adapters/tracing/otlp.ts");
      return openTracing({ endpoint, version: toolVersion });
    });
  }

  async client(): Promise<ConnectedClient["client"]> {
    await this.servers();
    const { client } = await this.keep("client", async () => {
      const tracing = await this.tracing();
      const connected = await connectClient(this.temporal, tracing === null ? null : () => tracing.current());
      await ensureSearchAttributes(connected.client, this.config.temporal.namespace);
      return connected;
    });
    return client;
  }

  /** One for this process, however often it is asked for. */
  startWorker(): Promise<RunningWorker> {
    return this.once("worker", () => this.openWorker());
  }

  private async openWorker(): Promise<RunningWorker> {
    const { startWorker } = await import("../worker/run-worker.ts"); // the SDK's core takes half a second to load
    const client = await this.client();
    await ensureOverdueWatch(client);
    const [source, catalogue, media, mediaTarget, repository, control, workflowBundle] = await Promise.all([
      this.source(),
      this.catalogue(),
      this.media(),
      this.mediaTarget(),
      this.repository({ create: true }),
      this.control(),
      loadWorkflowBundle(this.cacheDir),
    ]);
    const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
      process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
    const log = { info: () => {}, warn: line("warn"), error: line("error") };
    const { mail, allowedHosts } = this.config.notifications;
    const sender = createNotificationSender({ webhook: { allowedHosts }, mail });
    this.closers.push(() => sender.close());
    const dependencies = {
      source,
      catalogue,
      media,
      mediaTarget,
      repository,
      ledger: createJobLedger(control),
      restores: createRestoreLedger(control),
      erasures: createErasureLedger(control),
      endSchedules: (input: SchedulesToEnd) => endSchedules(client, input),
      retention: createRetentionLedger(control),
      openRestoreTarget: (targetSealed: string | null) => this.openRestoreTarget(targetSealed),
      openRuleChecker: async (targetSealed: string | null) => openRuleChecker(await this.targetUrl(targetSealed)),
      testRestore: (input: RestoreTestInput) => testRestore(this.scratchUrl, input),
      notifications: {
        ledger: createNotificationLedger(control),
        sender,
        openTarget: async (channelId: string, sealed: SealedTarget) =>
          await openChannelTarget(await this.encryptionKey(), channelId, sealed),
      },
      log,
      toolVersion,
    };
    const { workerMetricsPort } = this.config;
    // The local stack is this machine's own business; a worker in production is scraped from elsewhere.
    const metricsHost = this.stack === null ? "0.0.0.0" : "127.0.0.1";
    const worker = await startWorker({
      temporal: this.temporal,
      workflowBundle,
      dependencies,
      tracing: await this.tracing(),
      ...(workerMetricsPort === null ? {} : { metricsAddress: `${metricsHost}:${workerMetricsPort}` }),
    });
    this.closers.push(() => worker.stop());
    return worker;
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }

  private async once<T>(name: string, open: () => Promise<T>): Promise<T> {
    const already = this.opened.get(name) as Promise<T> | undefined;
    const opening = already ?? open();
    this.opened.set(name, opening);
    return await opening;
  }

  private async keep<T extends { close(): Promise<void> }>(name: string, open: () => Promise<T>): Promise<T> {
    return await this.once(name, async () => {
      const resource = await open();
      this.closers.push(() => resource.close());
      return resource;
    });
  }
}

async function tryOpen(key: string, purpose: string, sealed: string): Promise<string | null> {
  try {
    return await openText(key, purpose, sealed);
  } catch (error) {
    if (error instanceof BackupError && error.code === "EncryptionKeyWrong") return null;
    throw error;
  }
}
