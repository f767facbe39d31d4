// The twelve stages of a backup, and the figures that people follow while it runs. Shown by the workflow's query, by
// the Web UI's current details, by activity heartbeats and by the CLI.

export const backupStages = [
  "authorize",
  "plan",
  "snapshot",
  "collect",
  "compress",
  "encrypt",
  "upload",
  "media",
  "seal",
  "verify",
  "retain",
  "report",
] as const;

export type BackupStage = (typeof backupStages)[number];

/** Resource figures of one stage, summed over its activities. */
export interface StageFigures {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly calls: number;
}

export const noFigures: StageFigures = { wallMs: 0, cpuMs: 0, bytesIn: 0, bytesOut: 0, calls: 0 };

export interface BackupProgress {
  readonly stage: BackupStage;
  /** 0 to 100. An estimate until the last row is read: table sizes are known, an organization's share is not. */
  readonly percent: number;
  readonly rows: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesPerSecond: number;
  /** Null while it can't be told. */
  readonly secondsLeft: number | null;
  /** How often the run started again from a new snapshot. */
  readonly restarts: number;
  readonly stages: Readonly<Partial<Record<BackupStage, StageFigures>>>;
}
