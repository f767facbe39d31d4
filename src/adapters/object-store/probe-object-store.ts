// For `doctor`: whether the store can do what a backup asks of it, shown by doing it once.
import { randomBytes, randomUUID } from "node:crypto";
import { BackupError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";

export async function probeObjectStore(store: ObjectStore): Promise<{ latencyMs: number }> {
  const key = `probes/${randomUUID()}`;
  const body = randomBytes(1024);
  const startedMs = performance.now();
  await store.create(key, body);
  try {
    if (!(await store.read(key)).equals(body))
      throw new BackupError("ChecksumMismatch", `${store.description}: a probe came back changed.`);
    const again = await store.create(key, body).then(
      () => "overwritten",
      (error: unknown) => (error instanceof BackupError ? error.code : "failed"),
    );
    if (again !== "ObjectExists") {
      throw new BackupError(
        "StorageAccessDenied",
        `${store.description}: the store does not refuse to overwrite an object; create-only writes (If-None-Match) are needed.`,
      );
    }
  } finally {
    await store.delete([key]);
  }
  return { latencyMs: Math.round(performance.now() - startedMs) };
}
