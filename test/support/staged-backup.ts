// A backup by the real activities, one after the other, without a Temporal server: for tests of what is read and stored.
import { randomUUID } from "node:crypto";
import { MockActivityEnvironment } from "@temporalio/testing";
import { Bench } from "../../activities/bench.ts";
import { collectBatch } from "../../activities/collect.ts";
import { compressBatch } from "../../activities/compress.ts";
import { encryptBatch } from "../../activities/encrypt.ts";
import { openSession } from "../../activities/open-session.ts";
import { sealBackup } from "../../activities/seal.ts";
import { uploadBatch } from "../../activities/upload.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { JobLedger } from "../../src/ports/job-ledger.ts";
import type { MediaSource } from "../../src/ports/media-source.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import type { VerificationLedger } from "../../src/ports/verification-ledger.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import type { Repository } from "../../src/repository/repository.ts";

/** No control tables: no lease to lose, nothing remembered. */
const noJobs: JobLedger = {
  openJob: async () => ({ fencingToken: 1 }),
  assertLease: async () => {},
  completeJob: async () => {},
  failJob: async () => {},
  latestManifest: async () => null,
};
const noVerifications: VerificationLedger = {
  recordVerification: async () => {},
  listDamage: async () => new Map(),
};

const noMedia: MediaSource = {
  description: "none",
  stat: async () => null,
  read: async () => Buffer.alloc(0),
  close: async () => {},
};

export interface StagedBackup {
  readonly manifest: Manifest;
  /** Bytes of the packs that this backup stored. */
  readonly packBytes: number;
}

export async function makeStagedBackup(input: {
  readonly url: string;
  readonly catalogue: Catalogue;
  readonly repository: Repository;
  readonly organizationId: string;
  readonly media?: MediaSource;
  /** Default: all. */
  readonly dataSets?: readonly string[];
  readonly faultySource?: (source: SourceDatabase) => SourceDatabase;
}): Promise<StagedBackup> {
  const { url, catalogue, repository, organizationId } = input;
  const environment = new MockActivityEnvironment();
  const run = <T>(activity: () => Promise<T>) => environment.run<[], T, () => Promise<T>>(activity);
  const bench = new Bench({ queue: "test", memoryBytes: 96 * 1024 * 1024 });
  const sound = createPostgresSource({ url });
  const source = input.faultySource?.(sound) ?? sound;
  const key = { organizationId, backupId: randomUUID(), attempt: 1 };
  const request = {
    organizationId,
    policyId: null,
    trigger: "cli",
    requestedBy: "test",
    dataSets: input.dataSets ?? null,
    proof: "none",
  } as const;
  const dependencies = {
    source,
    repository,
    bench,
    jobs: noJobs,
    verifications: noVerifications,
    media: input.media ?? noMedia,
  };
  try {
    const held = await source.holdSnapshot(catalogue.schemas, (schema) => planTenantClosure(schema, catalogue));
    try {
      await openSession(dependencies, held, key, request, []);
      let packBytes = 0;
      for (let batch = 1; ; batch++) {
        const batchKey = { ...key, batch };
        const { newSegments, last } = await run(() => collectBatch(bench, batchKey));
        if (newSegments > 0) {
          await run(() => compressBatch(bench, batchKey));
          await run(() => encryptBatch(bench, batchKey));
          packBytes += (await run(() => uploadBatch(bench, batchKey))).packBytes;
        }
        if (last) break;
      }
      const { sequence } = await run(() => sealBackup(bench, noJobs, "test", { key, fencingToken: 1 }));
      const vault = await repository.openVault(organizationId);
      return { manifest: (await vault.readManifest(sequence)).manifest, packBytes };
    } finally {
      await bench.clear(key);
      await held.release();
    }
  } finally {
    await source.close();
  }
}
