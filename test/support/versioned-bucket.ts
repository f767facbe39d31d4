// An S3 server of the test's own whose buckets keep versions and, where asked, know object locks.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import type { ObjectStore, StoredVersion } from "../../src/ports/object-store.ts";
import { startS3Server } from "./s3-server.ts";

export type VersioningServer = Awaited<ReturnType<typeof startVersioningServer>>;

export async function startVersioningServer() {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-versions-"));
  const versions = join(folder, "versions");
  await mkdir(versions);
  const server = await startS3Server(folder, cacheFolder(process.env), () => {}, [], ["--versioning-dir", versions]);
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  let buckets = 0;
  return {
    client,
    async openBucket({ locks }: { locks: boolean }): Promise<{ Bucket: string; store: ObjectStore }> {
      const Bucket = `versions-${(buckets += 1)}`;
      await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }));
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
      return { Bucket, store: await createS3Store({ ...server, bucket: Bucket, partBytes: 5 * 1024 * 1024 }) };
    },
    async retain(Bucket: string, { key, versionId }: StoredVersion, until: Date): Promise<void> {
      const Retention = { Mode: "COMPLIANCE", RetainUntilDate: until } as const;
      await client.send(
        new PutObjectRetentionCommand({ Bucket, Key: key, VersionId: versionId ?? undefined, Retention }),
      );
    },
    async hold(Bucket: string, { key, versionId }: StoredVersion, Status: "ON" | "OFF"): Promise<void> {
      await client.send(
        new PutObjectLegalHoldCommand({ Bucket, Key: key, VersionId: versionId ?? undefined, LegalHold: { Status } }),
      );
    },
    async stop(): Promise<void> {
      client.destroy();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function versionsUnder(store: ObjectStore, prefix: string): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  for await (const version of store.listVersions(prefix)) found.push(version);
  return found;
}
