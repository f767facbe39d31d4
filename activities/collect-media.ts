// Stage 8, media: the files that the organization's rows name, in fixed parts. A file whose size, time and version tag are
// unchanged is not read. A file that is not there, or not the organization's, is recorded: the backup then says that it is
// incomplete.
import { createHash } from "node:crypto";
import { sha256Aside } from "../src/crypto/hash-aside.ts";
import { BackupError } from "../src/domain/errors.ts";
import { isOwnFile } from "../src/domain/media-folder.ts";
import type { MediaFile } from "../src/ports/media-source.ts";
import type { MediaEntry } from "../src/repository/manifest.ts";
import { takeSegmentBuffer } from "../src/repository/segment-buffers.ts";
import type { BackupSession } from "./backup-session.ts";
import type { Collected, FileProgress, MediaPath } from "./organization-progress.ts";

/** Fixed parts: photos do not change in the middle, so content-defined cuts would cost time and find nothing. */
const partBytes = 4 * 1024 * 1024;
/**
 * Files that are begun before their turn, with their first part in memory. A file is a dozen short waits for the disk or the
 * bucket, and the thread is busy sealing at the end of most of them: one file after the other, it stood idle a third of the time.
 */
const filesAhead = 3;

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

interface FilePart {
  readonly raw: Buffer;
  readonly id: string;
}

/** A file that was looked at, and read as far as its first part where it has to be read. */
type BegunFile =
  | { readonly state: "missing" }
  | { readonly state: "unchanged"; readonly file: MediaFile; readonly before: MediaEntry }
  | { readonly state: "read"; readonly file: MediaFile; readonly first: FilePart; readonly sha256: string | null };

export async function* collectFiles(
  session: BackupSession,
  media: readonly MediaPath[],
  files: FileProgress[],
  missing: MediaPath[],
): AsyncGenerator<Collected> {
  const known = new Map<string, MediaEntry>();
  for (const manifest of session.comparable.toReversed()) {
    for (const entry of manifest.media.files) known.set(entry.path, entry);
  }
  const settled = new Set([...files.filter((file) => file.done), ...missing].map(({ path }) => path));
  const waiting = media.filter(({ path }) => !settled.has(path)).values();
  const begun: { readonly entry: MediaPath; readonly beginning: Promise<BegunFile> }[] = [];
  const beginNext = (): void => {
    const { value: entry } = waiting.next();
    if (entry === undefined) return;
    const beginning = beginFile(session, entry.path, known.get(entry.path));
    beginning.catch(() => {}); // heard of when its turn comes
    begun.push({ entry, beginning });
  };
  for (let i = 0; i < filesAhead; i++) beginNext();
  for (let next = begun.shift(); next !== undefined; next = begun.shift()) {
    const { entry, beginning } = next;
    const found = await beginning;
    beginNext();
    if (found.state === "missing") {
      missing.push(entry);
      continue;
    }
    const progress: FileProgress = {
      path: entry.path,
      file: found.file,
      parts: [],
      sha256: "",
      reused: null,
      done: false,
    };
    files.push(progress);
    if (found.state === "unchanged") {
      Object.assign(progress, { reused: found.before, sha256: found.before.sha256, done: true });
      yield null;
    } else {
      yield* collectFile(session, progress, found.first, found.sha256);
    }
  }
}

async function beginFile(session: BackupSession, path: string, before: MediaEntry | undefined): Promise<BegunFile> {
  const { held, organizationId, media } = session.parts;
  const file = isOwnFile(held.closure.catalogue, organizationId, path) ? await media.stat(path) : null;
  if (file === null) return { state: "missing" };
  if (before !== undefined && isUnchanged(before, file)) return { state: "unchanged", file, before };
  if (file.sizeBytes > partBytes) return { state: "read", file, first: await readPart(session, file, 0), sha256: null };
  const raw = await readBytes(session, file, 0);
  const [id, sha256] = await Promise.all([
    session.parts.vault.segmentIdAside(raw),
    sha256Aside(raw),
    assertUnchanged(session, file),
  ]);
  return { state: "read", file, first: { raw, id }, sha256 };
}

/** `sha256`: of the whole file, where its first part is all of it. */
async function* collectFile(
  session: BackupSession,
  progress: FileProgress,
  first: FilePart,
  sha256: string | null,
): AsyncGenerator<Collected> {
  const { file } = progress;
  const whole = createHash("sha256");
  let part = first;
  for (let offset = 0; offset < file.sizeBytes;) {
    const { raw, id } = part;
    if (sha256 === null) session.measure(() => whole.update(raw));
    offset += raw.length;
    const ahead = offset < file.sizeBytes ? readPart(session, file, offset) : null;
    ahead?.catch(() => {}); // heard of when its turn comes
    progress.parts.push({ id, rawBytes: raw.length });
    yield { id, kind: "file", raw, rows: 0 };
    if (ahead !== null) part = await ahead;
  }
  if (sha256 === null) await assertUnchanged(session, file);
  progress.sha256 = sha256 ?? whole.digest("hex");
  progress.done = true;
}

const readBytes = async (session: BackupSession, { path, sizeBytes }: MediaFile, offset: number): Promise<Buffer> =>
  await session.parts.media.read(path, {
    offset,
    length: Math.min(partBytes, sizeBytes - offset),
    allocate: takeSegmentBuffer,
  });

async function readPart(session: BackupSession, file: MediaFile, offset: number): Promise<FilePart> {
  const raw = await readBytes(session, file, offset);
  return { raw, id: await session.parts.vault.segmentIdAside(raw) };
}

async function assertUnchanged({ parts: { media } }: BackupSession, file: MediaFile): Promise<void> {
  const after = await media.stat(file.path);
  if (after === null || after.versionTag !== file.versionTag || after.sizeBytes !== file.sizeBytes) {
    throw new BackupError("MediaUnreachable", "A file changed while it was read."); // its path is personal data
  }
}

const isUnchanged = (before: MediaEntry, now: MediaFile): boolean =>
  before.sizeBytes === now.sizeBytes && before.modifiedAt === now.modifiedAt && before.versionTag === now.versionTag;
