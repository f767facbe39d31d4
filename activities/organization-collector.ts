// Walks one organization under its snapshot, in order: tables by priority, then the files that its rows name; hands out
// segments one at a time, so that a batch can end anywhere.
//
// What must hold: after a fault in the middle of a batch, collecting again from the last checkpoint gives the same
// segments. A table is then read again from its start, and the segments that earlier batches hold are compared by id and
// passed over; rows come in heap order under one snapshot, so they must be equal, and if they are not the snapshot is
// given up rather than trusted.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import { BackupError } from "../src/domain/errors.ts";
import { collectFiles, listMedia } from "./collect-media.ts";
import { collectTable } from "./collect-tables.ts";
import type { BackupSession } from "./backup-session.ts";
import type {
  Collected,
  FileProgress,
  MediaPath,
  OrganizationProgress,
  TableProgress,
} from "./organization-progress.ts";

interface Checkpoint {
  readonly tables: number;
  readonly segmentsOfLastTable: number;
  readonly files: number;
}

export class OrganizationCollector implements OrganizationProgress {
  readonly tables: TableProgress[] = [];
  readonly files: FileProgress[] = [];
  readonly missing: MediaPath[] = [];
  private readonly session: BackupSession;
  private media: readonly MediaPath[] | null = null;
  private running: AsyncGenerator<Collected> | null = null;
  private checkpoint: Checkpoint = { tables: 0, segmentsOfLastTable: 0, files: 0 };

  constructor(session: BackupSession) {
    this.session = session;
  }

  get tablesDone(): number {
    return this.tables.filter((table) => table.done).length;
  }

  get filesDone(): number {
    return this.files.filter((file) => file.done).length;
  }

  get filesTotal(): number {
    return this.media === null ? 0 : this.media.length - this.missing.length;
  }

  async next(): Promise<Collected | undefined> {
    this.running ??= this.collect();
    const { value, done } = await this.running.next();
    return done === true ? undefined : value;
  }

  commit(): void {
    this.checkpoint = {
      tables: this.tables.length,
      segmentsOfLastTable: this.tables.at(-1)?.segments.length ?? 0,
      files: this.files.length,
    };
  }

  async rewind(): Promise<void> {
    this.running = null;
    const { tables, segmentsOfLastTable, files } = this.checkpoint;
    this.tables.length = tables;
    const last = this.tables.at(-1);
    if (last !== undefined && !(last.done && last.segments.length === segmentsOfLastTable)) {
      last.segments.length = segmentsOfLastTable;
      last.done = false;
    }
    this.files.length = files;
    // A file that was half read is read again from its start; the parts that are on the bench are known by their ids.
    while (this.files.at(-1)?.done === false) this.files.pop();
    await this.session.replaceReader();
  }

  private async *collect(): AsyncGenerator<Collected> {
    const { tables } = this.session.parts;
    for (const [index, table] of tables.entries()) {
      const before = this.tables[index];
      if (before?.done === true) continue;
      const progress = before ?? newProgress(table);
      if (before === undefined) this.tables.push(progress);
      const alreadyCollected = [...progress.segments];
      progress.segments.length = 0;
      for await (const segment of collectTable(this.session, progress, this.tables)) {
        const expected = alreadyCollected.shift();
        if (expected === undefined) {
          yield segment;
        } else if (segment === null || expected.id !== segment.id) {
          throw new BackupError("SnapshotLost", `Reading ${table.table} again gave its rows in another order.`);
        }
      }
    }
    this.media ??= await listMedia(this.session);
    yield* collectFiles(this.session, this.media, this.files, this.missing);
  }
}

const newProgress = (table: ClosureTable): TableProgress => ({
  table,
  segments: [],
  rows: 0,
  rawBytes: 0,
  checksum: "",
  reused: null,
  reusedFrom: null,
  keysKeptSince: null,
  cameTouched: null,
  layer: null,
  done: false,
});
