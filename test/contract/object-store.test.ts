// The suite of object-store.ts, for each adapter.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import { createTestBucket } from "../support/test-bucket.ts";
import { describeObjectStore } from "./object-store.ts";

const MiB = 1024 * 1024;

describeObjectStore("memory", async () => {
  const store = createMemoryStore();
  return { store, largeBytes: 12 * MiB, close: () => store.close() };
});

describeObjectStore("filesystem", async () => {
  const rootDir = await mkdtemp(join(tmpdir(), "wedsync-store-"));
  const store = createFilesystemStore({ rootDir: join(rootDir, "made", "when needed") });
  return { store, largeBytes: 40 * MiB, close: () => rm(rootDir, { recursive: true }) };
});

describeObjectStore("S3", async () => {
  const bucket = await createTestBucket();
  const store = await createS3Store({ ...bucket.access, bucket: bucket.name, partBytes: 5 * MiB });
  return {
    store,
    largeBytes: 12 * MiB + 123,
    async close() {
      await store.close();
      await bucket.drop();
    },
  };
});
