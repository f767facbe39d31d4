// What the activities are given. The worker's main makes it; tests make it with faults.
import type { Catalogue } from "../src/domain/catalogue.ts";
import type { MediaSource } from "../src/ports/media-source.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import type { SourceDatabase } from "../src/ports/source-database.ts";
import type { Repository } from "../src/repository/repository.ts";
import type { Bench } from "./bench.ts";

export interface ActivityLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface ActivityDependencies {
  readonly source: SourceDatabase;
  readonly catalogue: Catalogue;
  readonly media: MediaSource;
  readonly repository: Repository;
  readonly ledger: JobLedger;
  readonly bench: Bench;
  readonly log: ActivityLog;
  readonly toolVersion: string;
}
