// Folders that survive a power cut: each new one is flushed into the folder above it, once in a process's life.
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

export class FolderMaker {
  private readonly rootDir: string;
  private readonly made = new Map<string, Promise<void>>();

  constructor(rootDir: string) {
    this.rootDir = rootDir;
  }

  /** Also flushes folders that were there: the process that made them may not have come so far. */
  async make(path: string): Promise<void> {
    let making = this.made.get(path);
    if (making === undefined) {
      making = this.makeNow(path);
      this.made.set(path, making);
    }
    await making;
  }

  forget(path: string): void {
    for (let at = path; ; at = dirname(at)) {
      this.made.delete(at);
      if (at === this.rootDir || at === dirname(at)) return;
    }
  }

  // Not mkdir's own `recursive`: on a read-only disk it names the wrong reason, and below /proc it never ends.
  private async makeNow(path: string): Promise<void> {
    const above = dirname(path);
    if (path !== this.rootDir && path !== above) await this.make(above);
    try {
      await makeOne(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path !== this.rootDir) throw error;
      await this.make(above);
      await makeOne(path);
    }
    await flushFolder(above);
  }
}

async function makeOne(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EACCES") return null; // the folder above the store may be another's: whoever made ours there flushes it
    throw error;
  });
  try {
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}
