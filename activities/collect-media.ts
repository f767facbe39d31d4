// The files that the snapshot's rows name, in fixed parts. A file whose size, time and version tag are unchanged is not
// read. A file that is not there, or not the organization's, is recorded: the backup then says that it is incomplete.
import { createHash } from "node:crypto";
import type { MediaFile } from "../src/ports/media-source.ts";
import type { MediaEntry } from "../src/repository/manifest.ts";
import { takeSegmentBuffer } from "../src/repository/segment-buffers.ts";
import { BackupError } from "../src/domain/errors.ts";
import { isOwnFile } from "../src/domain/media-folder.ts";
import type { BackupSession } from "./backup-session.ts";
import type { Collected, FileProgress, MediaPath } from "./organization-progress.ts";

/** Fixed parts: photos do not change in the middle, so content-defined cuts would cost time and find nothing. */
const partBytes = 4 * 1024 * 1024;

export async function listMedia(session: BackupSession): Promise<readonly MediaPath[]> {
  const { held, tables, organizationId } = session.parts;
  const covered = new Set(tables.map((table) => table.table));
  const tableOf = new Map<string, string>();
  for (const { table, sql } of held.closure.mediaSql) {
    if (!covered.has(table)) continue;
    for (const row of await session.reader.query(sql, [organizationId])) {
      const path = Object.values(row)[0];
      if (path !== null && path !== undefined && path !== "" && !tableOf.has(path)) tableOf.set(path, table);
    }
  }
  return [...tableOf].map(([path, table]) => ({ path, table })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

export async function* collectFiles(
  session: BackupSession,
  media: readonly MediaPath[],
  files: FileProgress[],
  missing: MediaPath[],
): AsyncGenerator<Collected> {
  const { held, organizationId } = session.parts;
  const known = new Map<string, MediaEntry>();
  for (const manifest of session.comparable.toReversed()) {
    for (const entry of manifest.media.files) known.set(entry.path, entry);
  }
  const begun = new Set(files.filter((file) => file.done).map((file) => file.path));
  const gone = new Set(missing.map((entry) => entry.path));
  for (const entry of media) {
    if (begun.has(entry.path) || gone.has(entry.path)) continue;
    const isOwn = isOwnFile(held.closure.catalogue, organizationId, entry.path);
    const file = isOwn ? await session.parts.media.stat(entry.path) : null;
    if (file === null) {
      missing.push(entry);
      continue;
    }
    const before = known.get(entry.path);
    const progress: FileProgress = { path: entry.path, file, parts: [], sha256: "", reused: null, done: false };
    files.push(progress);
    if (before !== undefined && isUnchanged(before, file)) {
      Object.assign(progress, { reused: before, sha256: before.sha256, done: true });
      yield null;
    } else {
      yield* collectFile(session, progress);
    }
  }
}

async function* collectFile(session: BackupSession, progress: FileProgress): AsyncGenerator<Collected> {
  const { media, vault } = session.parts;
  const { path, file } = progress;
  const whole = createHash("sha256");
  for (let offset = 0; offset < file.sizeBytes; offset += partBytes) {
    const length = Math.min(partBytes, file.sizeBytes - offset);
    const raw = await media.read(path, { offset, length, allocate: takeSegmentBuffer });
    const id = session.measure(() => {
      whole.update(raw);
      return vault.segmentId(raw);
    });
    progress.parts.push({ id, rawBytes: raw.length });
    yield { id, kind: "file", raw, rows: 0 };
  }
  const after = await media.stat(path);
  if (after === null || after.versionTag !== file.versionTag || after.sizeBytes !== file.sizeBytes) {
    throw new BackupError("MediaUnreachable", "A file changed while it was read."); // its path is personal data
  }
  progress.sha256 = whole.digest("hex");
  progress.done = true;
}

const isUnchanged = (before: MediaEntry, now: MediaFile): boolean =>
  before.sizeBytes === now.sizeBytes && before.modifiedAt === now.modifiedAt && before.versionTag === now.versionTag;
