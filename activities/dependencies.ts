// What the activities are given. The worker's main makes it; tests make it with faults.
import type { Catalogue, Rule } from "../src/domain/catalogue.ts";
import type { RuleFinding } from "../src/domain/restore-run.ts";
import type { ErasureLedger } from "../src/ports/erasure-ledger.ts";
import type { ScheduleSkips } from "../src/domain/policy.ts";
import type { ChannelTarget } from "../src/domain/notification.ts";
import type { MediaSource } from "../src/ports/media-source.ts";
import type { MediaTarget } from "../src/ports/media-target.ts";
import type { NotificationLedger, NotificationSender, SealedTarget } from "../src/ports/notifications.ts";
import type { PolicyLedger } from "../src/ports/policy-ledger.ts";
import type { RestoreLedger } from "../src/ports/restore-ledger.ts";
import type { RetentionLedger } from "../src/ports/retention-ledger.ts";
import type { RestoreTarget } from "../src/ports/restore-target.ts";
import type { RuleChecker } from "../src/ports/rule-checker.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import type { SourceDatabase } from "../src/ports/source-database.ts";
import type { VerificationLedger } from "../src/ports/verification-ledger.ts";
import type { Manifest } from "../src/repository/manifest.ts";
import type { OrganizationVault } from "../src/repository/vault.ts";
import type { Repository } from "../src/repository/repository.ts";
import type { Bench } from "./bench.ts";

export interface ActivityLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** Restores a backup into a database that is made for it and dropped after it, and asks the rules there. */
export type TestRestore = (input: {
  /** Names the database, so that a second attempt finds and replaces what the first one left. */
  readonly testId: string;
  readonly vault: OrganizationVault;
  readonly manifest: Manifest;
  readonly rules: readonly Rule[];
  readonly onProgress: (progress: { bytes: number }) => void;
}) => Promise<{
  readonly rows: number;
  readonly durationMs: number;
  readonly rules: readonly RuleFinding[];
  /** What could not be made again or asked there, each with its reason. */
  readonly notes: readonly string[];
}>;

export interface NotificationDependencies {
  readonly ledger: NotificationLedger;
  readonly sender: NotificationSender;
  readonly openTarget: (channelId: string, sealed: SealedTarget) => Promise<ChannelTarget>;
}

export interface ActivityDependencies {
  readonly source: SourceDatabase;
  readonly catalogue: Catalogue;
  readonly media: MediaSource;
  readonly repository: Repository;
  readonly jobs: JobLedger;
  readonly policies: PolicyLedger;
  readonly verifications: VerificationLedger;
  readonly restores: RestoreLedger;
  readonly erasures: ErasureLedger;
  /** Schedules of the organization's policies, and backups that wait for their time. */
  readonly endSchedules: (input: {
    readonly organizationId: string;
    readonly policyIds: readonly string[];
    readonly triggerWorkflowIds: readonly string[];
  }) => Promise<void>;
  readonly retention: RetentionLedger;
  /** Null = the source database; else the one whose URL was sealed into the restore's row. */
  readonly openRestoreTarget: (targetSealed: string | null) => Promise<RestoreTarget>;
  readonly openRuleChecker: (targetSealed: string | null) => Promise<RuleChecker>;
  readonly mediaTarget: MediaTarget;
  readonly testRestore: TestRestore;
  /** Whether a workflow has ended, however. */
  readonly isRunOver: (workflowId: string) => Promise<boolean>;
  /** Null when Temporal has no such schedule. */
  readonly readScheduleSkips: (scheduleId: string) => Promise<ScheduleSkips | null>;
  readonly notifications: NotificationDependencies;
  readonly bench: Bench;
  readonly log: ActivityLog;
  readonly toolVersion: string;
}
