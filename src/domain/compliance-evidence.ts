// The evidence that a compliance report is written from: what the control tables keep of one organization and period.

export interface Evidence {
  readonly organizationId: string;
  /** ISO 8601 UTC; `to` is not part of the period. */
  readonly from: string;
  readonly to: string;
  readonly jobs: readonly {
    readonly status: string;
    readonly startedAt: string;
    readonly finishedAt: string | null;
    readonly sequence: number | null;
    readonly missingFiles: number;
    readonly errorCode: string | null;
  }[];
  readonly verifications: readonly {
    readonly level: string;
    readonly proven: boolean;
    readonly finishedAt: string;
    readonly sequence: number | null;
    readonly restoreSeconds: number | null;
  }[];
  readonly restores: readonly {
    readonly status: string;
    readonly dryRun: boolean;
    readonly requestedAt: string;
    readonly restoreSeconds: number | null;
    readonly errorCode: string | null;
  }[];
  readonly policies: readonly {
    readonly name: string;
    readonly cron: string;
    readonly proof: string;
    readonly paused: boolean;
  }[];
  readonly access: readonly { readonly action: string; readonly outcome: string; readonly count: number }[];
  /** While one stands, nothing of the organization's backups is removed. */
  readonly legalHold: { readonly reason: string; readonly placedBy: string; readonly placedAt: string } | null;
  /** What was done to holds in the period; the audit log's word. */
  readonly holds: readonly {
    readonly at: string;
    readonly by: string;
    readonly what: "placed" | "changed" | "lifted";
    readonly reason: string;
  }[];
  readonly prunes: readonly {
    readonly status: string;
    readonly startedAt: string;
    /** Sequences of the backups that it let go. */
    readonly released: readonly number[];
    readonly removedPacks: number;
    readonly removedBytes: number;
    readonly errorCode: string | null;
  }[];
  /** The organization's key was wrapped by another root key. */
  readonly keyRotations: readonly { readonly at: string; readonly by: string }[];
  /** Ordered before the period's end, whenever: what was erased stays so. */
  readonly erasure: {
    readonly status: string;
    readonly requestedBy: string;
    readonly requestedAt: string;
    readonly finishedAt: string | null;
    /** Its signature; `erase --show-certificate` proves it. Null while there is none. */
    readonly certificateMac: string | null;
  } | null;
}
