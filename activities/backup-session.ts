// One attempt of one organization's backup, on the worker that holds its snapshot: the reader, what is stored already,
// what was collected so far, and the batches on their way to the store.
import { BackupError, type ErrorCode } from "../src/domain/errors.ts";
import type { ForeignRows } from "../src/domain/foreign-rows.ts";
import type { MediaSource } from "../src/ports/media-source.ts";
import type { HeldSnapshot, SnapshotReader, SourceDatabase } from "../src/ports/source-database.ts";
import { tableSegments, type Manifest } from "../src/repository/manifest.ts";
import type { SealedManifest } from "../src/repository/manifest-object.ts";
import type { PackIndexEntry } from "../src/repository/pack.ts";
import type { OrganizationVault } from "../src/repository/vault.ts";
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { AnswersAhead } from "./answers-ahead.ts";
import type { Batch } from "./batch.ts";
import type { OrganizationProgress } from "./organization-progress.ts";
import { isSameDatabase } from "./same-course.ts";
import type { Stopwatch } from "./stopwatch.ts";

export interface StoredSegment {
  readonly packName: string;
  readonly packBytes: number;
  readonly offset: number;
  readonly length: number;
}

export interface SessionParts {
  readonly organizationId: string;
  readonly vault: OrganizationVault;
  readonly source: SourceDatabase;
  readonly held: HeldSnapshot;
  readonly reader: SnapshotReader;
  readonly media: MediaSource;
  /** The closure's tables that this backup covers. */
  readonly tables: readonly ClosureTable[];
  readonly dataSets: readonly string[] | null;
  readonly beforeRestore: boolean;
  /** The newest manifest, and the older ones that tell of what it does not cover; newest first. */
  readonly bases: readonly { readonly manifest: Manifest; readonly hash: string }[];
  /** What the control tables remember of the newest manifest. */
  readonly remembered: { readonly sequence: number; readonly hash: string } | null;
  readonly estimatedBytes: number;
  readonly schemaFingerprint: string;
}

export class BackupSession {
  readonly parts: SessionParts;
  readonly batches = new Map<number, Batch>();
  /** Content → where it lies; grows as packs are stored. */
  readonly stored = new Map<string, StoredSegment>();
  readonly ahead = new AnswersAhead();
  /** Numbers of batches that a compress is at work on, or waits for. */
  readonly compressing = new Set<number>();
  /** Content that lies in a batch of this session and will be stored with it. */
  readonly expected = new Set<string>();
  /** Counts the CPU of the collect that is at work. */
  watch: Stopwatch | null = null;
  private foreignRows: Promise<readonly ForeignRows[]> | null = null;
  private countedUnchanged = { rows: 0, bytes: 0 };
  reader: SnapshotReader;
  collector: OrganizationProgress | null = null;
  /** Collecting is one after the other: each batch waits for the one before. */
  collecting: Promise<unknown> = Promise.resolve();
  sealedManifest: SealedManifest | null = null;
  /** Those of `bases` that describe this database with this schema; only they can say that something is unchanged. */
  readonly comparable: readonly Manifest[];
  private readonly ending = new AbortController();
  private readonly waiters = new Set<() => void>();
  private readonly finish: () => void;
  /** Settles when the backup is sealed and the snapshot is needed no longer. */
  readonly finished: Promise<void>;

  constructor(parts: SessionParts) {
    this.parts = parts;
    this.reader = parts.reader;
    let finish = (): void => {};
    this.finished = new Promise((resolve) => (finish = resolve));
    this.finish = finish;
    const { bases, held, schemaFingerprint } = parts;
    const manifests = bases.map((base) => base.manifest);
    this.comparable = manifests.filter((manifest) => isSameDatabase(manifest, held.reference, schemaFingerprint));
    for (const manifest of manifests) this.learnManifest(manifest);
  }

  /** Aborts when the session closes: what still works on it must leave nothing behind. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  batch(number: number): Batch {
    const batch = this.batches.get(number);
    if (batch === undefined) throw new BackupError("BenchLost", `Batch ${number} is not on this bench.`);
    return batch;
  }

  /** Waits until `look` finds something. Whoever changes a batch calls `wake`. @throws when the session or `signal` ends. */
  async until<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      this.ended.throwIfAborted();
      signal.throwIfAborted();
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.waiters.delete(go);
          for (const each of [signal, this.ended]) each.removeEventListener("abort", go);
          resolve();
        };
        this.waiters.add(go);
        for (const each of [signal, this.ended]) each.addEventListener("abort", go, { once: true });
      });
    }
  }

  wake(): void {
    for (const go of this.waiters) go();
  }

  isCollected(number: number): boolean {
    return (this.batches.get(number)?.collected ?? null) !== null;
  }

  holds(segmentId: string): boolean {
    return this.stored.has(segmentId) || this.expected.has(segmentId);
  }

  measure<T>(work: () => T): T {
    return this.watch === null ? work() : this.watch.measure(work);
  }

  /** Content that is damaged where it lies is stored again when it is met. */
  distrust(segments: readonly { readonly id: string }[]): void {
    for (const { id } of segments) this.stored.delete(id);
  }

  /** What was taken over from the newest manifest without reading, since the last call. */
  countUnchanged(collector: OrganizationProgress): { rows: number; bytes: number } {
    let rows = 0;
    let bytes = 0;
    for (const table of collector.tables) {
      if (table.reused === null && table.layer === null) continue;
      rows += table.rows - (table.layer?.rows ?? 0);
      bytes += table.rawBytes - (table.layer?.rawBytes ?? 0);
    }
    for (const file of collector.files) if (file.reused !== null) bytes += file.file.sizeBytes;
    const since = { rows: rows - this.countedUnchanged.rows, bytes: bytes - this.countedUnchanged.bytes };
    this.countedUnchanged = { rows, bytes };
    return since;
  }

  learnPack(packName: string, packBytes: number, entries: readonly PackIndexEntry[]): void {
    for (const { id, offset, length } of entries) this.stored.set(id, { packName, packBytes, offset, length });
  }

  /** A reader that broke is replaced by another on the same snapshot. @throws SnapshotLost when that is gone. */
  async replaceReader(): Promise<void> {
    await this.reader.close();
    this.ended.throwIfAborted();
    const reader = await this.parts.source.importSnapshot(this.parts.held.reference).catch(async (error: unknown) => {
      await this.refuseLasting();
      throw error;
    });
    if (this.ended.aborted) await reader.close(); // else it would hold the snapshot open for ever
    this.ended.throwIfAborted();
    this.reader = reader;
  }

  /** Begins with the first table that is read, beside the reading: the holder's connection is idle. */
  startForeignRows(): void {
    const { held, organizationId, tables } = this.parts;
    this.foreignRows ??= held.findForeignRows(organizationId, new Set(tables.map(({ table }) => table)));
    this.foreignRows.catch(() => {}); // awaited when the backup is sealed
  }

  /**
   * A statement that the database refuses on the holder's connection takes the snapshot with it. A new one would be lost the
   * same way: the reason counts.
   */
  private async refuseLasting(): Promise<void> {
    await this.foreignRows?.catch((error: unknown) => {
      const lasting: readonly ErrorCode[] = ["RowSecurityActive", "SourceAccessDenied", "SourceRejected"];
      if (error instanceof BackupError && lasting.includes(error.code)) throw error;
    });
  }

  /** Where no table was read anew, they are for each table those of the newest manifest that has it. */
  async findForeignRows(): Promise<readonly ForeignRows[]> {
    if (this.foreignRows !== null) return await this.foreignRows;
    const { bases, tables } = this.parts;
    return tables.flatMap(({ table }) => {
      const base = bases.find(({ manifest }) => manifest.tables.some((entry) => entry.table === table));
      return (base?.manifest.foreignRows ?? []).filter((each) => each.table === table);
    });
  }

  releaseSnapshot(): void {
    this.finish();
  }

  async close(): Promise<void> {
    this.ending.abort(new BackupError("BenchLost", "The backup's place on this worker was given up."));
    for (const batch of this.batches.values()) batch.reservation.release();
    this.batches.clear();
    await this.reader.close();
  }

  private learnManifest(manifest: Manifest): void {
    const references = [
      ...manifest.tables.flatMap(tableSegments),
      ...manifest.media.files.flatMap((file) => file.parts),
    ];
    for (const { id, pack, offset, length } of references) {
      const stored = manifest.packs[pack];
      if (stored !== undefined)
        this.stored.set(id, { packName: stored.name, packBytes: stored.sizeBytes, offset, length });
    }
  }
}
