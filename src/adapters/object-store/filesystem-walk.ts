// Files below a folder in the order of their keys.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { StoredObject } from "../../ports/object-store.ts";

interface Entry {
  /** In key order a folder sorts as if its name ended with the slash that it has in keys. */
  readonly name: string;
  readonly isFolder: boolean;
}

export async function* walkFiles(rootDir: string, prefix: string): AsyncGenerator<StoredObject> {
  // Only the folder that the prefix names in full is walked; the rest of the prefix filters.
  yield* walk(prefix.slice(0, prefix.lastIndexOf("/") + 1));

  async function* walk(folder: string): AsyncGenerator<StoredObject> {
    for (const { name, isFolder } of await readEntries(join(rootDir, folder))) {
      const key = `${folder}${name}`;
      if (isFolder) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* walk(key);
        continue;
      }
      if (!key.startsWith(prefix)) continue;
      const stats = await unlessGone(stat(join(rootDir, key)));
      if (stats !== null) yield { key, sizeBytes: stats.size, modifiedAt: stats.mtime };
    }
  }
}

async function readEntries(path: string): Promise<Entry[]> {
  const entries = (await unlessGone(readdir(path, { withFileTypes: true }))) ?? [];
  const found: Entry[] = [];
  for (const entry of entries) {
    // Names with a leading dot are no keys: drafts, and what other programs leave in folders.
    if (entry.name.startsWith(".")) continue;
    // A folder may have been moved to another disk and linked: what it holds must not seem to be lost.
    const kind = entry.isSymbolicLink() ? await unlessGone(stat(join(path, entry.name))) : entry;
    if (kind?.isDirectory() === true) found.push({ name: `${entry.name}/`, isFolder: true });
    else if (kind?.isFile() === true) found.push({ name: entry.name, isFolder: false });
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** Objects may be deleted while they are listed. */
async function unlessGone<T>(found: Promise<T>): Promise<T | null> {
  return await found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
}
