// Objects as files in a folder. A write goes to a private file first, is flushed, and appears under its name by link(),
// which fails where the name is taken: readers see a whole object or none, also after a power cut.
//
// Reads check the size only: objects are sealed and carry an HMAC, so the layer above sees every changed byte.
import { randomUUID } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, readFile, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackupError, type ErrorCode } from "../../domain/errors.ts";
import type { ObjectStore, StoredObject } from "../../ports/object-store.ts";
import { checkKey } from "./check-key.ts";

const draftsFolder = ".drafts";
/** Drafts of writes that a crash cut off; a live write takes minutes at most. */
const abandonedDraftMs = 24 * 60 * 60 * 1000;

const codes: Record<string, ErrorCode> = {
  ENOENT: "ObjectMissing",
  EEXIST: "ObjectExists",
  ENOSPC: "StorageFull",
  EDQUOT: "StorageFull",
  EROFS: "StorageReadOnly",
  EACCES: "StorageAccessDenied",
  EPERM: "StorageAccessDenied",
  EIO: "StorageUnreachable",
  ESTALE: "StorageUnreachable",
  EMFILE: "StorageUnreachable",
};

export function createFilesystemStore({ rootDir }: { rootDir: string }): ObjectStore {
  const description = `folder ${rootDir}`;
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(rootDir, ...key.split("/"));
  };
  const failed = (error: unknown, key: string): BackupError => {
    if (error instanceof BackupError) return error;
    const code = codes[(error as NodeJS.ErrnoException).code ?? ""] ?? "StorageUnreachable";
    return new BackupError(
      code,
      `${description}: ${key}: ${(error as NodeJS.ErrnoException).code ?? "failed"}`,
      { object: key },
      { cause: error },
    );
  };
  let ready: Promise<void> | null = null;
  const prepare = async (): Promise<void> => {
    await mkdir(join(rootDir, draftsFolder), { recursive: true, mode: 0o700 });
    for (const name of await readdir(join(rootDir, draftsFolder))) {
      const draft = join(rootDir, draftsFolder, name);
      const { mtimeMs } = await stat(draft).catch(() => ({ mtimeMs: Date.now() })); // another process swept it
      if (Date.now() - mtimeMs > abandonedDraftMs) await rm(draft, { force: true });
    }
  };

  return {
    description,
    async create(key, body, { signal } = {}) {
      const path = pathOf(key);
      const draft = join(rootDir, draftsFolder, randomUUID());
      try {
        await (ready ??= prepare());
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        signal?.throwIfAborted();
        await writeDurably(draft, body);
        await link(draft, path);
        await flushFolder(dirname(path));
      } catch (error) {
        ready = null;
        throw signal?.aborted === true ? error : failed(error, key);
      } finally {
        await unlink(draft).catch(() => {}); // it was never made, or is swept later
      }
    },
    async read(key, { range } = {}) {
      const path = pathOf(key);
      try {
        return range === undefined ? await readFile(path) : await readRange(path, range.offset, range.length);
      } catch (error) {
        throw failed(error, key);
      }
    },
    async stat(key) {
      try {
        const { size, mtime } = await stat(pathOf(key));
        return { key, sizeBytes: size, modifiedAt: mtime };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw failed(error, key);
      }
    },
    async *list(prefix) {
      // Only the folder that the prefix names in full is walked; the rest of the prefix filters.
      const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      yield* walk(rootDir, folder, prefix);
    },
    async delete(keys) {
      for (const key of keys) {
        try {
          await rm(pathOf(key), { force: true });
        } catch (error) {
          throw failed(error, key);
        }
      }
    },
    async close() {},
  };

  async function* walk(root: string, folder: string, prefix: string): AsyncGenerator<StoredObject> {
    let entries;
    try {
      entries = await readdir(join(root, folder), { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw failed(error, folder);
    }
    // Key order is byte order; a folder sorts as if its name ended with the slash that it has in keys.
    const sortable = entries.map((entry) => ({ entry, name: entry.isDirectory() ? `${entry.name}/` : entry.name }));
    sortable.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
    for (const { entry, name } of sortable) {
      const key = `${folder}${name}`;
      if (folder === "" && entry.name === draftsFolder) continue;
      if (entry.isDirectory()) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* walk(root, key, prefix);
      } else if (key.startsWith(prefix)) {
        const { size, mtime } = await stat(join(root, key));
        yield { key, sizeBytes: size, modifiedAt: mtime };
      }
    }
  }
}

async function writeDurably(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(body);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readRange(path: string, offset: number, length: number): Promise<Buffer> {
  const file: FileHandle = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
