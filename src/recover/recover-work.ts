// What a recovery into a database works with, by however many sessions.
import type { Manifest } from "../repository/manifest.ts";
import type { OrganizationVault } from "../repository/vault.ts";
import type { RecoverProgress } from "./recover-progress.ts";
import type { TargetDatabase } from "./target-database.ts";

export interface RecoverWork {
  readonly target: TargetDatabase;
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly onBytes: (table: string, bytes: number) => void;
  readonly onTable: (rows: number) => void;
  readonly report: (phase: RecoverProgress["phase"], table: string) => void;
}
