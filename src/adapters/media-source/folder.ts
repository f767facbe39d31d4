// Media in a folder. Paths come from rows, so they are hostile until shown otherwise: what resolves outside the folder,
// also by a symbolic link, is treated as missing.
import { open, realpath, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { BackupError } from "../../domain/errors.ts";
import type { MediaSource } from "../../ports/media-source.ts";

export function createFolderMediaSource(rootDir: string): MediaSource {
  const description = `folder ${rootDir}`;
  const root = realpath(rootDir).catch(() => {
    throw new BackupError(
      "MediaAccessDenied",
      `The media folder ${rootDir} does not exist or can't be read. Check BACKUP_MEDIA_URL.`,
    );
  });
  root.catch(() => {}); // thrown again at the first use
  async function find(path: string): Promise<string | null> {
    const base = await root;
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (path === "" || /[\u0000-\u001f]/.test(path)) return null;
    const asked = resolve(join(base, path));
    if (!asked.startsWith(base + sep)) return null;
    try {
      const real = await realpath(asked);
      return real.startsWith(base + sep) ? real : null;
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? ""))
        return null;
      throw denied(error);
    }
  }
  const denied = (error: unknown): BackupError => {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EACCES" || code === "EPERM"
      ? new BackupError("MediaAccessDenied", `${description}: a file can't be read (${code}).`, {}, { cause: error })
      : new BackupError(
          "MediaUnreachable",
          `${description}: reading failed (${code ?? "unknown"}).`,
          {},
          { cause: error },
        );
  };
  return {
    description,
    async stat(path) {
      const real = await find(path);
      if (real === null) return null;
      const { size, mtimeNs, ctimeNs, ino, mtime, isFile } = await statFile(real);
      if (!isFile) return null;
      return { path, sizeBytes: size, modifiedAt: mtime.toISOString(), versionTag: `${ino}-${mtimeNs}-${ctimeNs}` };
    },
    async read(path, { offset, length }) {
      const real = await find(path);
      if (real === null) throw new BackupError("MediaUnreachable", "A file went away while it was read.");
      const buffer = Buffer.allocUnsafeSlow(length);
      try {
        const file = await open(real, "r");
        try {
          const { bytesRead } = await file.read(buffer, 0, length, offset);
          if (bytesRead < length) throw new BackupError("MediaUnreachable", "A file became shorter while it was read.");
        } finally {
          await file.close();
        }
      } catch (error) {
        throw error instanceof BackupError ? error : denied(error);
      }
      return buffer;
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
