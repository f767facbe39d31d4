// Keeps the figures of one run, from what the activities answer.
import { noFigures, type BackupProgress, type BackupStage, type StageFigures } from "../src/domain/progress.ts";
import type { CollectedBatch, SnapshotReady } from "../activities/contract.ts";

export function addFigures(a: StageFigures = noFigures, b: StageFigures = noFigures): StageFigures {
  return {
    wallMs: a.wallMs + b.wallMs,
    cpuMs: Math.round((a.cpuMs + b.cpuMs) * 1000) / 1000,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    calls: a.calls + b.calls,
  };
}

/** What a stretch of batches adds to a run. */
export interface CollectedTotals {
  readonly rows: number;
  readonly rawBytes: number;
  readonly reusedBytes: number;
  readonly storedBytes: number;
  readonly tablesDone: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly stages: Partial<Record<BackupStage, StageFigures>>;
}

export class ProgressTracker {
  stage: BackupStage = "authorize";
  rows = 0;
  rawBytes = 0;
  reusedBytes = 0;
  storedBytes = 0;
  restarts = 0;
  readonly stages: Partial<Record<BackupStage, StageFigures>> = {};
  snapshot: SnapshotReady | null = null;
  private tablesDone = 0;
  private filesDone = 0;
  private filesTotal = 0;
  private everythingCollected = false;
  private readonly startedMs: number;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  /** A new snapshot is a new count: rows of an abandoned attempt are not in the backup. */
  begin(snapshot: SnapshotReady): void {
    this.snapshot = snapshot;
    this.stage = "snapshot";
    this.everythingCollected = false;
    this.add("plan", snapshot.plan);
    this.add("snapshot", snapshot.snapshot);
    this.rows = this.rawBytes = this.reusedBytes = this.tablesDone = this.filesDone = this.filesTotal = 0;
  }

  add(stage: BackupStage, figures: StageFigures): void {
    this.stages[stage] = addFigures(this.stages[stage], figures);
  }

  collected(batch: CollectedBatch): void {
    this.rows += batch.rows;
    this.rawBytes += batch.rawBytes;
    this.reusedBytes += batch.reusedBytes;
    this.tablesDone = batch.tablesDone;
    this.filesDone = batch.filesDone;
    this.filesTotal = batch.filesTotal;
    this.add("collect", batch.collect);
    if (batch.media.calls > 0) this.add("media", batch.media);
    this.stage = batch.filesTotal > 0 && batch.tablesDone === this.snapshot?.tables ? "media" : "collect";
  }

  totals(): CollectedTotals {
    const { rows, rawBytes, reusedBytes, storedBytes, tablesDone, filesDone, filesTotal, stages } = this;
    return { rows, rawBytes, reusedBytes, storedBytes, tablesDone, filesDone, filesTotal, stages };
  }

  addTotals({ stages, rows, rawBytes, reusedBytes, storedBytes, ...reached }: CollectedTotals): void {
    this.rows += rows;
    this.rawBytes += rawBytes;
    this.reusedBytes += reusedBytes;
    this.storedBytes += storedBytes;
    Object.assign(this, reached);
    for (const [stage, figures] of Object.entries(stages)) this.add(stage as BackupStage, figures);
  }

  /** While rows are still read, reading is the stage that people wait for. */
  entered(stage: BackupStage): void {
    if (this.everythingCollected) this.stage = stage;
  }

  allCollected(): void {
    this.everythingCollected = true;
    this.stage = "compress";
  }

  current(nowMs: number): BackupProgress {
    const seconds = Math.max(0.001, (nowMs - this.startedMs) / 1000);
    const bytesPerSecond = Math.round(this.rawBytes / seconds);
    const left = (this.snapshot?.estimatedBytes ?? 0) - this.rawBytes;
    return {
      stage: this.stage,
      percent: this.percent(),
      rows: this.rows,
      rawBytes: this.rawBytes,
      storedBytes: this.storedBytes,
      tablesDone: this.tablesDone,
      tablesTotal: this.snapshot?.tables ?? 0,
      filesDone: this.filesDone,
      filesTotal: this.filesTotal,
      bytesPerSecond,
      secondsLeft: this.stage === "collect" && bytesPerSecond > 0 && left > 0 ? Math.ceil(left / bytesPerSecond) : null,
      restarts: this.restarts,
      stages: this.stages,
    };
  }

  /** Reading is 5 to 85 percent of the way; the stages after it have fixed places. */
  private percent(): number {
    const places: Partial<Record<BackupStage, number>> = {
      authorize: 0,
      plan: 2,
      snapshot: 4,
      compress: 85,
      encrypt: 86,
      upload: 87,
      seal: 88,
      verify: 90,
      retain: 98,
      report: 99,
    };
    const place = places[this.stage];
    if (place !== undefined) return place;
    const estimated = Math.max(this.snapshot?.estimatedBytes ?? 0, 1);
    return Math.round(5 + 80 * Math.min(1, this.rawBytes / Math.max(estimated, this.rawBytes)));
  }
}
