// Media put back into a folder: written beside their place, then moved there in one step. Paths come from rows, so they
// are hostile until shown otherwise: nothing is written where the way leads out of the folder, also by a symbolic link.
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, realpath, rename, rm, utimes } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BackupError } from "../../domain/errors.ts";
import type { MediaTarget } from "../../ports/media-target.ts";

export function createFolderMediaTarget(rootDir: string): MediaTarget {
  const description = `folder ${rootDir}`;

  /** Where the file's folder really is; made when it is not there. */
  async function placeOf(path: string, options: { make: boolean }): Promise<string | null> {
    const root = await realpath(rootDir);
    const asked = resolve(join(root, path));
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (path === "" || /[\u0000-\u001f]/.test(path) || !asked.startsWith(root + sep)) throw outside(description);
    for (let folder = dirname(asked); ; folder = dirname(folder)) {
      const real = await realpath(folder).catch(missing);
      if (real === null) continue;
      if (real !== root && !real.startsWith(root + sep)) throw outside(description);
      if (folder === dirname(asked)) return join(real, basename(asked));
      if (!options.make) return null;
      // Below a folder that really is inside there is nothing yet, so no link either.
      await mkdir(dirname(asked), { recursive: true });
      return asked;
    }
  }

  return {
    description,
    async write(path, content, { modifiedAt }) {
      try {
        const place = await placeOf(path, { make: true });
        if (place === null) throw outside(description);
        const draft = join(dirname(place), `.wedsync-restore-${randomBytes(8).toString("hex")}`);
        try {
          await pipeline(Readable.from(content, { objectMode: false }), createWriteStream(draft, { flags: "wx" }));
          await utimes(draft, new Date(), new Date(modifiedAt));
          const file = await open(draft, "r");
          try {
            await file.sync();
          } finally {
            await file.close();
          }
          await rename(draft, place);
        } finally {
          await rm(draft, { force: true });
        }
      } catch (error) {
        throw mapFolderError(error, description);
      }
    },
    async remove(path) {
      try {
        const place = await placeOf(path, { make: false });
        if (place !== null) await rm(place, { force: true });
      } catch (error) {
        throw mapFolderError(error, description);
      }
    },
    async close() {},
  };
}

const missing = (error: NodeJS.ErrnoException): null => {
  if (error.code === "ENOENT") return null;
  throw error;
};

const outside = (description: string): BackupError =>
  new BackupError("MediaAccessDenied", `${description}: a row names a file outside of it; that one is not put back.`);

function mapFolderError(error: unknown, description: string): BackupError {
  if (error instanceof BackupError) return error;
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  return ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG", "ENOENT"].includes(code)
    ? new BackupError("MediaAccessDenied", `${description}: a file can't be written (${code}).`, {}, { cause: error })
    : new BackupError("MediaUnreachable", `${description}: writing failed (${code}).`, {}, { cause: error });
}
