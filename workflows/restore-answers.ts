// What a restore asks people, until when, and what holds for what nobody answers in time.
import { ApplicationFailure, upsertSearchAttributes } from "@temporalio/workflow";
import type { RestoreOrder, RestoreWait } from "../src/domain/restore-run.ts";
import type { ParkedRestore } from "../activities/restore-contract.ts";
import type { OrganizationLease } from "./organization-lease.ts";
import { restores } from "./restore-activity-options.ts";
import type { RestoreGate } from "./restore-gate.ts";

type Found = Omit<ParkedRestore, "lease" | "wait">;

export class RestoreAnswers {
  waiting: RestoreWait | null = null;
  waitedMs = 0;
  /** The deadline has passed: the default decides. */
  expired = false;
  decidedByDefault = 0;
  askedAgain = 0;
  private readonly order: RestoreOrder;
  private readonly gate: RestoreGate;
  private readonly lease: OrganizationLease;
  private readonly onChange: () => void;

  constructor(order: RestoreOrder, gate: RestoreGate, lease: OrganizationLease, onChange: () => void) {
    this.order = order;
    this.gate = gate;
    this.lease = lease;
    this.onChange = onChange;
  }

  /** Gives the lease back. @returns whether what was waited for came in time. */
  async wait(found: Found, timeoutMs: number): Promise<boolean> {
    const { order, gate } = this;
    const what = order.dryRun ? "a look at the dry run" : gate.waitsForDecisions ? "decisions" : "approval";
    const sinceMs = Date.now();
    const until = new Date(sinceMs + Math.max(0, timeoutMs)).toISOString();
    const wait: RestoreWait = { for: what, until, undecided: gate.undecided };
    await this.lease.park({ wait, ...found });
    this.waiting = wait;
    upsertSearchAttributes({ AwaitingDecision: [what] });
    this.onChange();
    try {
      return await gate.wait(timeoutMs, what);
    } finally {
      this.waiting = null;
      this.waitedMs += Date.now() - sinceMs;
      upsertSearchAttributes({ AwaitingDecision: [] });
    }
  }

  /** At the deadline. @throws Cancelled when nothing may be applied without an answer. */
  decideByDefault(): void {
    const { gate, order } = this;
    const missing = !gate.approved ? "approved it" : order.defaultDecision === null ? "decided all conflicts" : null;
    if (missing !== null)
      throw ApplicationFailure.nonRetryable(`Nobody ${missing} in time; nothing was restored.`, "Cancelled");
    this.expired = true;
    this.decidedByDefault = gate.undecided;
  }

  /** So many rows are not as they were when they were decided on. */
  async askAgain(rows: number): Promise<void> {
    const { gate, order } = this;
    this.askedAgain += rows;
    gate.undecided = rows;
    // Rows that differ since have numbers of their own by now; the target knows which there are.
    gate.lastNumber = Number.MAX_SAFE_INTEGER;
    if (!this.expired || order.defaultDecision === null) return;
    // Nobody is asked after the deadline: the default decides on the row as it is now.
    this.decidedByDefault += rows;
    await restores.storeRestDecision({ order, table: null, decision: order.defaultDecision });
  }
}
