// What a command works with, opened when it is first asked for and closed at its end: the repository, the source, the
// control tables, Temporal. Servers that this machine must run are found where `up` runs them, or started for the
// command's own time.
import { openMediaSource } from "../adapters/media-source/open-media-source.ts";
import { openMediaTarget } from "../adapters/media-target/open-media-target.ts";
import { openObjectStore } from "../adapters/object-store/open-object-store.ts";
import { createPostgresSource } from "../adapters/postgres/postgres-source.ts";
import { connectClient, type ConnectedClient, type TemporalAddress } from "../client/connect.ts";
import { ensureSearchAttributes } from "../client/search-attributes.ts";
import type { Config } from "../config/config.ts";
import { findEncryptionKey } from "../config/encryption-key.ts";
import { loadCatalogue } from "../config/load-catalogue.ts";
import { openControlDatabase, type ControlDatabase } from "../control/control-database.ts";
import { migrateControlTables } from "../control/migrate.ts";
import type { Catalogue } from "../domain/catalogue.ts";
import { BackupError } from "../domain/errors.ts";
import { findRunningServers, type RunningServers } from "../local/data-folder.ts";
import { startLocalStack, type LocalStack } from "../local/local-stack.ts";
import type { MediaSource } from "../ports/media-source.ts";
import type { MediaTarget } from "../ports/media-target.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { SourceDatabase } from "../ports/source-database.ts";
import type { Tracing } from "../ports/tracing.ts";
import { createOrOpenRepository, openRepository, type Repository } from "../repository/repository.ts";
import type { Output } from "./output.ts";
import { Resources } from "./resources.ts";
import { describeServedParts, refuseOtherParts } from "./served-parts.ts";

export const toolVersion = "0.1.0";

export class Session {
  readonly config: Config;
  readonly output: Output;
  readonly cacheDir: string;
  stack: LocalStack | null = null;
  readonly resources = new Resources();
  private running: RunningServers | null = null;

  constructor(config: Config, output: Output, cacheDir: string) {
    this.config = config;
    this.output = output;
    this.cacheDir = cacheDir;
  }

  /** Starts or finds what this machine must run itself. */
  async servers(): Promise<void> {
    await this.resources.once("servers", async () => {
      const { config, output } = this;
      if (config.sourceUrl !== null && config.temporal.address !== null) return;
      this.running = await findRunningServers(config.dataDir);
      if (this.running !== null) return;
      output.say("starting the local servers for this command (`npm start` keeps them running)");
      await this.startStack();
    });
  }

  /** The embedded source's. With a source of one's own nothing is started: to read a schema needs no Temporal. */
  async sourceServer(): Promise<void> {
    if (this.config.sourceUrl === null) await this.servers();
  }

  async startStack(): Promise<LocalStack> {
    const stack = await startLocalStack(this.config, { cacheDir: this.cacheDir, say: (line) => this.output.say(line) });
    this.stack = stack;
    this.running = stack;
    this.resources.put("servers", undefined);
    this.resources.closeLater(() => stack.stop());
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
    return this.resources.keep("store", () => openObjectStore(this.config.storage));
  }

  /** `create`: an empty bucket becomes a repository; else it must be one. */
  repository(options: { create: boolean } = { create: false }): Promise<Repository> {
    return this.resources.once("repository", async () => {
      const [store, key] = await Promise.all([this.store(), this.encryptionKey()]);
      return await (options.create ? createOrOpenRepository(store, key) : openRepository(store, key));
    });
  }

  encryptionKey(): Promise<string> {
    return findEncryptionKey(this.config, (line) => this.output.say(line));
  }

  catalogue(): Promise<Catalogue> {
    return this.resources.once("catalogue", () => loadCatalogue(this.config.cataloguePath));
  }

  async source(): Promise<SourceDatabase> {
    await this.sourceServer();
    return await this.resources.keep("source", async () => createPostgresSource({ url: this.sourceUrl }));
  }

  async control(): Promise<ControlDatabase> {
    await this.servers();
    return await this.resources.keep("control", async () => {
      await migrateControlTables(this.controlUrl);
      return openControlDatabase(this.controlUrl);
    });
  }

  /** The control tables that are configured, or those of servers that run here; null where there are none. Starts nothing. */
  async knownControl(): Promise<ControlDatabase | null> {
    const { controlUrl, sourceUrl, dataDir } = this.config;
    const url = controlUrl ?? sourceUrl ?? (this.running ?? (await findRunningServers(dataDir)))?.databaseUrl ?? null;
    return url === null ? null : await this.resources.keep("known control", async () => openControlDatabase(url));
  }

  media(): Promise<MediaSource> {
    return this.resources.keep("media", () => openMediaSource(this.mediaUrl, this.config.storage));
  }

  mediaTarget(): Promise<MediaTarget> {
    return this.resources.keep("media target", () => openMediaTarget(this.mediaUrl, this.config.storage));
  }

  /** Null where no collector is configured; then nothing of OpenTelemetry is loaded. */
  async tracing(): Promise<Tracing | null> {
    const endpoint = this.config.tracesEndpoint;
    if (endpoint === null) return null;
    return await this.resources.keep("tracing", async () => {
      const { openTracing } = await import("../adapters/tracing/otlp.ts");
      return openTracing({ endpoint, version: toolVersion });
    });
  }

  async client(): Promise<ConnectedClient["client"]> {
    await this.servers();
    const { config, running } = this;
    if (this.stack === null && running !== null && config.temporal.address === null)
      refuseOtherParts(running.serves, describeServedParts(config), config.dataDir);
    const { client } = await this.resources.keep("client", async () => {
      const tracing = await this.tracing();
      const connected = await connectClient(this.temporal, tracing === null ? null : () => tracing.current());
      await ensureSearchAttributes(connected.client, this.config.temporal.namespace);
      return connected;
    });
    return client;
  }

  close(): Promise<void> {
    return this.resources.close();
  }
}
