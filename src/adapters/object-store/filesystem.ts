// Objects as files in a folder. A write goes to a private draft first, is flushed, and appears under its name by link(),
// which fails where the name is taken: readers see a whole object or none, also after a power cut. For that, the folders
// on the way are flushed, too: a file is lost with the folder's entry that names it.
//
// Reads check the size only: objects are sealed and carry an HMAC, so the layer above sees every changed byte.
import { link, open, readFile, rm, rmdir, stat, unlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackupError, type ErrorCode } from "../../domain/errors.ts";
import type { ObjectStore } from "../../ports/object-store.ts";
import { checkKey, checkPrefix, checkRange } from "./check-key.ts";
import { draftPath } from "./filesystem-drafts.ts";
import { FolderMaker, flushFolder } from "./filesystem-folders.ts";
import { walkFiles } from "./filesystem-walk.ts";
import { singleVersions } from "./single-versions.ts";
import { storageError, type StoreAction } from "./storage-error.ts";

const codes: Record<string, ErrorCode> = {
  EEXIST: "ObjectExists",
  ENOSPC: "StorageFull",
  EDQUOT: "StorageFull",
  EFBIG: "StorageFull",
  EROFS: "StorageReadOnly",
  EACCES: "StorageAccessDenied",
  EPERM: "StorageAccessDenied",
  ENAMETOOLONG: "StorageRejected",
  ENOTDIR: "StorageRejected",
  EISDIR: "StorageRejected",
  EXDEV: "StorageRejected",
};

const advice: Partial<Record<ErrorCode, string>> = {
  StorageAccessDenied: "Give this user the right to read and write the folder, or check BACKUP_STORAGE_BUCKET.",
  StorageFull: "Make room there.",
  StorageReadOnly: "Mount it writable, or check BACKUP_STORAGE_BUCKET.",
  StorageRejected: "A file lies where the store needs a folder, or the file system can't do what a store needs.",
};

/** What a file system says when there is no such object. A folder of that name is no object either. */
const missing = new Set(["ENOENT", "ENOTDIR", "EISDIR"]);

export function createFilesystemStore({ rootDir }: { rootDir: string }): ObjectStore {
  const description = `folder ${rootDir}`;
  const folders = new FolderMaker(rootDir);
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(rootDir, ...key.split("/"));
  };
  const failed = (error: unknown, action: StoreAction, key: string, known: ErrorCode | null = null): BackupError => {
    if (error instanceof BackupError) return error;
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
    return storageError(known ?? codes[reason] ?? "StorageUnreachable", {
      store: description,
      action,
      key,
      reason,
      advice,
      cause: error,
    });
  };
  const isMissing = (error: unknown): boolean => missing.has((error as NodeJS.ErrnoException).code ?? "");

  const store: Omit<ObjectStore, "listVersions" | "destroy" | "listLocks"> = {
    description,
    async create(key, body, { signal } = {}) {
      const path = pathOf(key);
      const draft = draftPath(rootDir);
      signal?.throwIfAborted();
      try {
        await folders.make(dirname(draft));
        await folders.make(dirname(path));
        await writeDurably(draft, body, signal);
        signal?.throwIfAborted();
        await link(draft, path);
        await flushFolder(dirname(path));
      } catch (error) {
        for (const each of [path, draft]) folders.forget(dirname(each)); // they may be gone
        signal?.throwIfAborted();
        throw failed(error, "writing", key);
      } finally {
        await unlink(draft).catch(() => {}); // it was never made, or is swept later
      }
    },
    async read(key, { range, signal } = {}) {
      const path = pathOf(key);
      if (range !== undefined) checkRange(range);
      try {
        return range === undefined
          ? await readFile(path, { signal })
          : await readRange(path, range.offset, range.length);
      } catch (error) {
        signal?.throwIfAborted();
        throw failed(error, "reading", key, isMissing(error) ? "ObjectMissing" : null);
      }
    },
    async stat(key) {
      try {
        const stats = await stat(pathOf(key));
        return stats.isFile() ? { key, sizeBytes: stats.size, modifiedAt: stats.mtime } : null;
      } catch (error) {
        if (isMissing(error)) return null;
        throw failed(error, "looking for", key);
      }
    },
    async *list(prefix) {
      checkPrefix(prefix);
      try {
        yield* walkFiles(rootDir, prefix);
      } catch (error) {
        throw failed(error, "listing", prefix);
      }
    },
    async delete(keys) {
      const paths = keys.map((key) => [key, pathOf(key)] as const);
      for (const [key, path] of paths) {
        try {
          await rm(path, { force: true });
        } catch (error) {
          if (!isMissing(error)) throw failed(error, "deleting", key);
        }
      }
    },
    async close() {},
  };
  const single = singleVersions(store);
  return {
    ...store,
    ...single,
    async destroy(versions) {
      const kept = await single.destroy(versions);
      // A folder is named after its organization.
      for (const folder of new Set(versions.map(({ key }) => dirname(pathOf(key))))) {
        await removeEmpty(folder, rootDir);
        folders.forget(folder);
      }
      return kept;
    },
  };
}

/** Up to the store's own folder, or to the first that holds something. */
async function removeEmpty(folder: string, rootDir: string): Promise<void> {
  for (let at = folder; at !== rootDir && at !== dirname(at); at = dirname(at)) {
    const removed = await rmdir(at).then(
      () => true,
      () => false, // it holds something, or another process was first; a listing tells whether objects are left
    );
    if (!removed) return;
  }
}

async function writeDurably(path: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(body, signal === undefined ? {} : { signal });
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function readRange(path: string, offset: number, length: number): Promise<Buffer> {
  const file: FileHandle = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}
