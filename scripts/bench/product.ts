// Ours as it runs in production: a worker process of its own on a fresh repository, asked through Temporal.
import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "@temporalio/client";
import { followBackup, requestBackup } from "../../src/client/start-backup.ts";
import { followRestore, requestRestore } from "../../src/client/start-restore.ts";
import { openControlDatabase } from "../../src/control/control-database.ts";
import { createRestore } from "../../src/control/restores.ts";
import { restoreTargetPurpose, sealText } from "../../src/crypto/sealed-text.ts";
import type { BackupOutcome, ProofLevel } from "../../src/domain/backup-request.ts";
import type { RecordSelection } from "../../src/domain/restore-request.ts";
import { restoreDefaults, type RestoreOrder, type RestoreOutcome } from "../../src/domain/restore-run.ts";
import { startChildServer, waitUntilReady, type ChildServer } from "../../src/local/child-server.ts";
import { projectRoot } from "../run-step.ts";
import { nodeEnvironment, nodeFlags } from "../start-node.mjs";
import type { BenchServers } from "./bench-servers.ts";

export interface ProductOptions {
  readonly servers: BenchServers;
  readonly client: Client;
  readonly sourceUrl: string;
  readonly store: "disk" | "s3";
  readonly mediaDir?: string;
}

export interface TimedBackup {
  /** From the request to the committed manifest, as the client saw it. */
  readonly sealedSeconds: number;
  /** From the request to the answer. */
  readonly seconds: number;
  readonly outcome: BackupOutcome;
}

let number = 0;

export class Product {
  readonly encryptionKey: string;
  /** A folder, or the bucket's name. */
  readonly bucket: string;
  readonly store: "disk" | "s3";
  /** The variables that it runs with, for commands beside it. */
  readonly environment: Readonly<Record<string, string>>;
  private readonly worker: ChildServer;
  private readonly client: Client;

  private constructor(
    worker: ChildServer,
    client: Client,
    store: "disk" | "s3",
    bucket: string,
    encryptionKey: string,
    environment: Readonly<Record<string, string>>,
  ) {
    this.worker = worker;
    this.client = client;
    this.store = store;
    this.bucket = bucket;
    this.encryptionKey = encryptionKey;
    this.environment = environment;
  }

  static async start({ servers, client, sourceUrl, store, mediaDir }: ProductOptions): Promise<Product> {
    number += 1;
    const encryptionKey = randomBytes(32).toString("base64");
    const bucket = store === "disk" ? join(servers.folder, `repository-${number}`) : `bench-${number}`;
    if (store === "s3") await servers.createBucket(bucket);
    const storage: Readonly<Record<string, string>> =
      store === "disk"
        ? { BACKUP_STORAGE_PROVIDER: "filesystem" }
        : {
            BACKUP_STORAGE_PROVIDER: "aws",
            BACKUP_STORAGE_ENDPOINT: servers.s3.endpoint,
            BACKUP_STORAGE_REGION: "us-east-1",
            AWS_ACCESS_KEY_ID: servers.s3.accessKeyId,
            AWS_SECRET_ACCESS_KEY: servers.s3.secretAccessKey,
          };
    const environment = nodeEnvironment({
      HOME: process.env["HOME"] ?? "",
      PATH: process.env["PATH"] ?? "",
      BACKUP_SOURCE_DATABASE_URL: sourceUrl,
      BACKUP_DATABASE_URL: await servers.createDatabase(`control_${number}`),
      BACKUP_DATA_DIR: join(servers.folder, "data"),
      BACKUP_ENCRYPTION_KEY: encryptionKey,
      BACKUP_STORAGE_BUCKET: bucket,
      TEMPORAL_ADDRESS: servers.temporalAddress,
      ...storage,
      ...(mediaDir === undefined ? {} : { BACKUP_MEDIA_URL: mediaDir }),
    });
    const worker = await startChildServer(
      "the worker",
      process.execPath,
      [...nodeFlags, join(projectRoot, "src/cli/main.ts"), "worker"],
      { cwd: projectRoot, env: environment },
    );
    await waitUntilReady("the worker", worker, 60_000, async () => worker.output().includes("worker ready"));
    return new Product(worker, client, store, bucket, encryptionKey, environment);
  }

  async backUp(organizationId: string, proof: ProofLevel = "none"): Promise<TimedBackup> {
    const startedMs = performance.now();
    const started = await requestBackup(this.client, { organizationId, proof, trigger: "cli", requestedBy: "bench" });
    const outcome = await followBackup(this.client, started);
    const wallMs = performance.now() - startedMs;
    return {
      outcome,
      seconds: wallMs / 1000,
      sealedSeconds: (wallMs - (outcome.durationMs - outcome.sealedAfterMs)) / 1000,
    };
  }

  async backUpAll(
    organizationIds: readonly string[],
    concurrency: number,
  ): Promise<{ seconds: number; outcomes: BackupOutcome[] }> {
    const startedMs = performance.now();
    const outcomes: BackupOutcome[] = [];
    const waiting = [...organizationIds];
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift())
        outcomes.push((await this.backUp(id)).outcome);
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return { seconds: (performance.now() - startedMs) / 1000, outcomes };
  }

  /** `secrets`: what an order leaves out, because workflow history must not have it. */
  async restore(
    order: Partial<RestoreOrder> & Pick<RestoreOrder, "organizationId">,
    secrets: { readonly records?: readonly RecordSelection[]; readonly targetUrl?: string } = {},
  ): Promise<{ seconds: number; outcome: RestoreOutcome }> {
    const complete: RestoreOrder = {
      ...restoreDefaults,
      restoreId: randomUUID(),
      targetOrganizationId: order.organizationId,
      approval: "given",
      requestedBy: "bench",
      ...order,
    };
    const { records = null, targetUrl } = secrets;
    const targetSealed =
      targetUrl === undefined ? null : await sealText(this.encryptionKey, restoreTargetPurpose, targetUrl);
    const control = openControlDatabase(this.environment["BACKUP_DATABASE_URL"] ?? "");
    try {
      const startedMs = performance.now();
      await createRestore(control, complete, { records, targetSealed });
      await requestRestore(this.client, complete);
      const outcome = await followRestore(this.client, complete);
      return { outcome, seconds: (performance.now() - startedMs) / 1000 };
    } finally {
      await control.close();
    }
  }

  /** All that the worker has read so far, from files and connections, in bytes; NaN where the system does not tell. */
  async bytesRead(): Promise<number> {
    const io = await readFile(`/proc/${this.worker.pid}/io`, "utf8").catch(() => "");
    return Number(/rchar: (\d+)/.exec(io)?.[1] ?? Number.NaN);
  }

  /** The most memory that the worker ever held, in MB; NaN where the system does not tell. */
  async peakMemory(): Promise<number> {
    const status = await readFile(`/proc/${this.worker.pid}/status`, "utf8").catch(() => "");
    return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024) / 1e6;
  }

  async stop(): Promise<void> {
    await this.worker.stop();
  }
}
