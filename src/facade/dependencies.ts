// What the facade is given. Its main makes it (src/cli/open-facade.ts); tests make it with faults.
import type { Client } from "@temporalio/client";
import type { ChannelTarget } from "../domain/notification.ts";
import type { BoundSessions } from "../control/bound-sessions.ts";
import type { Catalogue } from "../domain/catalogue.ts";
import type { ComplianceReport } from "../domain/compliance-report.ts";
import type { DifferencePage, RestoreTarget } from "../ports/restore-target.ts";
import type { Tracing } from "../ports/tracing.ts";
import type { Authenticator } from "./authenticator.ts";
import type { HealthChecks } from "./health.ts";
import type { JobWatch } from "./job-watch.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { BackupFinder } from "./stored-backups.ts";

export interface FacadeLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface FacadeDependencies {
  readonly sessions: BoundSessions;
  readonly client: Client;
  readonly authenticate: Authenticator;
  readonly limits: RateLimits;
  readonly backups: BackupFinder;
  readonly watch: JobWatch;
  /** Rows of a restore that waits, read from its target; they pass through nobody else. @throws RestoreNotFound */
  readonly readDifferences: (
    restoreId: string,
    page: Parameters<RestoreTarget["readDifferences"]>[1],
  ) => Promise<DifferencePage>;
  readonly masks: NonNullable<Catalogue["masks"]>;
  readonly drawReport: (report: ComplianceReport) => string;
  readonly drawReportPdf: (report: ComplianceReport) => Promise<Buffer>;
  /** Names of the catalogue's data sets. */
  readonly dataSets: readonly string[];
  /** Ids of all organizations of the source. */
  readonly listOrganizations: () => Promise<readonly string[]>;
  readonly notifications: {
    /** Hosts that an operator lets webhooks reach by http and at private addresses. */
    readonly allowedHosts: readonly string[];
    /** For the channel's row: what a session of the facade writes, it can't read again. */
    readonly sealTarget: (channelId: string, target: ChannelTarget) => Promise<string>;
    readonly sealSecret: (channelId: string, secret: string) => Promise<string>;
  };
  readonly checks: HealthChecks;
  readonly log: FacadeLog;
  /** Keys the hashes of addresses. */
  readonly ipHashSalt: string;
  /** Signs browser sessions' CSRF tokens and download links; the same for all facade processes. */
  readonly signingKey: Buffer;
  readonly trustedProxies: number;
  /** Null: nothing is traced. */
  readonly tracing: Tracing | null;
  /** Null where no Web UI is known. */
  readonly temporalUiUrl: string | null;
}
