// Small unsealed objects (repository, roots/…, keys/…): one line of JSON and one of its SHA-256, so that an accident is
// told from a wrong key, and a verifier without the root key sees every changed bit.
import { sha256 } from "../crypto/sha256.ts";
import type { z } from "zod";
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { limits } from "./limits.ts";

export function encodeRecord(value: Record<string, unknown>): Buffer {
  const line = JSON.stringify(value);
  return Buffer.from(`${line}\n${sha256(line)}\n`);
}

/** Another process that was first is no error: whoever calls goes on with what is there. */
export async function createIfAbsent(store: ObjectStore, key: string, bytes: Buffer): Promise<void> {
  try {
    await store.create(key, bytes);
  } catch (error) {
    if (!(error instanceof BackupError && error.code === "ObjectExists")) throw error;
  }
}

/** @throws ObjectCorrupt, FormatUnsupported */
export function decodeRecord<T>(key: string, bytes: Buffer, schema: z.ZodType<T>): T {
  const damaged = (cause?: unknown) =>
    new BackupError(
      "ObjectCorrupt",
      `${key} is damaged. Bring it back from a copy of the store, or an earlier version of the object.`,
      { object: key },
      { cause },
    );
  if (bytes.length > limits.recordBytes) throw damaged();
  const [line = "", sum, end, ...more] = bytes.toString("utf8").split("\n");
  const intact = end === "" && more.length === 0 && sum === sha256(line);
  if (!intact || !bytes.equals(Buffer.from(`${line}\n${sum}\n`))) throw damaged();
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw damaged(error);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new BackupError(
      "FormatUnsupported",
      `${key} is of a form that only a newer version of wedsync-backup knows: update this one. Nothing was changed.`,
      {
        object: key,
      },
    );
  return parsed.data;
}
