// Media in a folder. What resolves outside the folder, also by a symbolic link, is treated as missing.
import { constants } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { BackupError } from "../../domain/errors.ts";
import type { MediaSource } from "../../ports/media-source.ts";
import { relativeMediaPath } from "./media-path.ts";

const missing = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"]);
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown";

export function createFolderMediaSource(rootDir: string): MediaSource {
  const description = `folder ${rootDir}`;
  /** Looked up each time: it may be mounted after the worker's start. */
  async function findRoot(): Promise<string> {
    return await realpath(rootDir).catch((error: unknown) => {
      throw new BackupError(
        "MediaAccessDenied",
        `The media ${description} does not exist or can't be read (${codeOf(error)}). Check BACKUP_MEDIA_URL.`,
        {},
        { cause: error },
      );
    });
  }
  async function find(path: string): Promise<string | null> {
    const relative = relativeMediaPath(path);
    const finding = relative === null ? null : realpath(join(rootDir, relative));
    finding?.catch(() => {}); // an unreadable root is what counts
    const root = await findRoot();
    if (finding === null) return null;
    try {
      const real = await finding;
      return real.startsWith(root === sep ? root : root + sep) ? real : null;
    } catch (error) {
      if (missing.has(codeOf(error))) return null;
      throw failed(error);
    }
  }
  /** Without the file's name: it can be personal, and errors reach the workflow's history. */
  const failed = (error: unknown): BackupError => {
    if (error instanceof BackupError) return error;
    const code = codeOf(error);
    return code === "EACCES" || code === "EPERM"
      ? new BackupError(
          "MediaAccessDenied",
          `A file in the media ${description} can't be read (${code}). Give this user the right to read all of it.`,
          {},
          { cause: error },
        )
      : new BackupError("MediaUnreachable", `Reading the media ${description} failed (${code}).`, {}, { cause: error });
  };
  const gone = (): BackupError =>
    new BackupError("MediaUnreachable", "A file went away or became shorter while it was read.");

  return {
    description,
    async stat(path) {
      const real = await find(path);
      if (real === null) return null;
      try {
        const { size, mtimeNs, ctimeNs, ino, mtime, isFile } = await statFile(real);
        if (!isFile) return null;
        return { path, sizeBytes: size, modifiedAt: mtime.toISOString(), versionTag: `${ino}-${mtimeNs}-${ctimeNs}` };
      } catch (error) {
        if (missing.has(codeOf(error))) return null;
        throw failed(error);
      }
    },
    async read(path, { offset, length, allocate = (bytes) => Buffer.allocUnsafeSlow(bytes) }) {
      const real = await find(path);
      if (real === null) throw gone();
      try {
        // The path is resolved; a link that took its place meanwhile is not followed.
        const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
        try {
          const buffer = allocate(length);
          for (let filled = 0; filled < length;) {
            const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
            if (bytesRead === 0) throw gone();
            filled += bytesRead;
          }
          return buffer;
        } finally {
          await file.close();
        }
      } catch (error) {
        throw missing.has(codeOf(error)) ? gone() : failed(error);
      }
    },
    async close() {},
  };
}

async function statFile(path: string) {
  const stats = await stat(path, { bigint: true });
  return {
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    ino: stats.ino,
    mtime: stats.mtime,
    isFile: stats.isFile(),
  };
}
