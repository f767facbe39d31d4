// Restores of a rig's first organization, from the order to the end: how it loses rows, what it must be afterwards, and what
// must be gone.
import { expect } from "@jest/globals";
import { followRestore, followRollback, readRestoreProgress, requestRollback } from "../../src/client/start-restore.ts";
import {
  restoreStages,
  type RestoreOrder,
  type RestoreOutcome,
  type RestoreProgress,
  type RestoreStage,
  type RestoreWait,
  type RollbackOrder,
  type RollbackOutcome,
} from "../../src/domain/restore-run.ts";
import type { BackupRig } from "./backup-rig.ts";
import { eventually } from "./eventually.ts";
import { hold } from "./held-rows.ts";
import { orderRestore } from "./order-restore.ts";
import { checksumsOf } from "./organization-checksums.ts";

type Checksums = Readonly<Record<string, string>>;

/** `asked`: what every restore is ordered with. The organization is whole now. */
export async function openRestoreRig(rig: BackupRig, asked: Partial<RestoreOrder> = {}): Promise<RestoreRig> {
  const [organizationId = "", ...others] = rig.organizationIds;
  const whole = await checksumsOf(rig, organizationId);
  const untouched = await Promise.all(others.map(async (id) => [id, await checksumsOf(rig, id)] as const));
  return new RestoreRig(rig, organizationId, asked, whole, new Map(untouched));
}

export class RestoreRig {
  readonly organizationId: string;
  readonly whole: Checksums;
  /** Once it is spoilt. */
  damaged: Checksums = {};
  private readonly rig: BackupRig;
  private readonly asked: Partial<RestoreOrder>;
  private readonly others: ReadonlyMap<string, Checksums>;

  constructor(
    rig: BackupRig,
    organizationId: string,
    asked: Partial<RestoreOrder>,
    whole: Checksums,
    others: ReadonlyMap<string, Checksums>,
  ) {
    this.rig = rig;
    this.organizationId = organizationId;
    this.asked = asked;
    this.whole = whole;
    this.others = others;
  }

  async order(asked: Partial<RestoreOrder> = {}): Promise<RestoreOrder> {
    return await orderRestore(this.rig, { organizationId: this.organizationId, ...this.asked, ...asked });
  }

  async restore(asked: Partial<RestoreOrder> = {}): Promise<RestoreOutcome> {
    return await followRestore(this.rig.client, await this.order(asked));
  }

  async orderRollback(restoreId: string): Promise<RollbackOrder> {
    const rollback = { restoreId, organizationId: this.organizationId, partial: false, requestedBy: "test" };
    await requestRollback(this.rig.client, rollback);
    return rollback;
  }

  async rollBack(restoreId: string): Promise<RollbackOutcome> {
    return await followRollback(this.rig.client, await this.orderRollback(restoreId));
  }

  /** Seats and menus go, and what hangs on them; guests are changed. */
  async spoil(): Promise<void> {
    const { database } = this.rig;
    await this.dropSeating();
    await database.query("DELETE FROM menus WHERE organization_id = $1", [this.organizationId]);
    await database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [this.organizationId]);
    this.damaged = await this.checksums();
  }

  async dropSeating(): Promise<void> {
    const weddings = "(SELECT id FROM weddings WHERE organization_id = $1)";
    await this.rig.database.query(`DELETE FROM seating_tables WHERE wedding_id IN ${weddings}`, [this.organizationId]);
  }

  /** A row that must be written: whoever does surely waits in the middle of the transaction. @returns how to let it go. */
  async holdGuest(organizationId = this.organizationId): Promise<() => Promise<void>> {
    const guest = "SELECT 1 FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1 FOR UPDATE";
    return await hold(this.rig, guest, [organizationId]);
  }

  /** For anything, unless it is said for what. */
  async untilItWaits(order: RestoreOrder, what: RestoreWait["for"] | null = null): Promise<RestoreProgress> {
    return await eventually(`the restore to wait for ${what ?? "people"}`, async () => {
      const progress = await readRestoreProgress(this.rig.client, order);
      const waiting = progress?.waiting ?? null;
      return waiting !== null && (what === null || waiting.for === what) && progress;
    });
  }

  async untilStage(order: RestoreOrder, stage: RestoreStage): Promise<void> {
    await eventually(`the stage ${stage}`, async () => {
      const progress = await readRestoreProgress(this.rig.client, order);
      return progress !== null && restoreStages.indexOf(progress.stage) >= restoreStages.indexOf(stage);
    });
  }

  async checksums(): Promise<Checksums> {
    return await checksumsOf(this.rig, this.organizationId);
  }

  /** Schemas in which restores work. */
  async staged(): Promise<string[]> {
    const rows = await this.rig.database.query<{ name: string }>(
      "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'",
    );
    return rows.map(({ name }) => name);
  }

  /** What readers see at any moment. */
  async expectOldOrNew(): Promise<void> {
    expect([this.whole, this.damaged]).toContainEqual(await this.checksums());
  }

  /** Also that nobody else was touched, and nothing is left. */
  async expectEnd(rows: Checksums): Promise<void> {
    expect(await this.checksums()).toEqual(rows);
    for (const [id, before] of this.others) expect(await checksumsOf(this.rig, id)).toEqual(before);
    await this.expectNothingLeft();
  }

  async expectNothingLeft(): Promise<void> {
    expect(await this.staged()).toEqual([]);
    expect(await this.rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
  }
}
