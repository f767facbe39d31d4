// A restore's hold on its organization: no backup, prune or other restore of it runs meanwhile. Given back while people
// think, and taken again.
import { isCancellation, sleep } from "@temporalio/workflow";
import type { RestoreOrder } from "../src/domain/restore-run.ts";
import type { ParkedRestore } from "../activities/restore-contract.ts";
import { nameFailure } from "./failures.ts";
import { restoreControl } from "./restore-activity-options.ts";

const maxPatienceMs = 2 * 60 * 60 * 1000;

export class OrganizationLease {
  /** Null = not held. */
  fencingToken: number | null = null;
  /** While others held it. */
  waitedMs = 0;
  private readonly order: RestoreOrder;

  constructor(order: RestoreOrder) {
    this.order = order;
  }

  /** `patient`: after people have answered, a backup that runs meanwhile is waited for. @throws OrganizationBusy */
  async take({ patient }: { patient: boolean }): Promise<void> {
    const { restoreId, organizationId } = this.order;
    const sinceMs = Date.now();
    for (let pauseMs = 1_000; ; pauseMs = Math.min(60_000, pauseMs * 2)) {
      try {
        const opened = await restoreControl.openRestore({ restoreId, organizationId, operation: "restore" });
        this.fencingToken = opened.fencingToken;
        return;
      } catch (error) {
        const isBusy = !isCancellation(error) && nameFailure(error, "").code === "OrganizationBusy";
        if (!patient || !isBusy || Date.now() - sinceMs > maxPatienceMs) throw error;
        await sleep(pauseMs);
        this.waitedMs += pauseMs;
      }
    }
  }

  /** Gives it back, and keeps what people are asked. Nothing where it is given back already. */
  async park(asked: Omit<ParkedRestore, "lease">): Promise<void> {
    if (this.fencingToken === null) return;
    const { restoreId, organizationId } = this.order;
    const lease = { restoreId, organizationId, fencingToken: this.fencingToken };
    await restoreControl.parkRestore({ lease, ...asked });
    this.fencingToken = null;
  }
}
