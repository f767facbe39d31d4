// Compensation of a run that failed or was cancelled: what it uploaded and no manifest names is removed, the job is closed
// under its error's name, the lease given back. Safe to repeat, and safe when the run had in fact sealed: packs that a
// manifest names stay.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import type { Repository } from "../src/repository/repository.ts";
import type { FailedBackup } from "./contract.ts";

export async function rollBackBackup(repository: Repository, ledger: JobLedger, failed: FailedBackup): Promise<void> {
  const { organizationId, packNames, backupId } = failed;
  Context.current().heartbeat({ stage: "rollback" });
  // Without the lease (it was never had, or went to another run) nothing is removed: the other run may use those packs.
  if (
    packNames.length > 0 &&
    failed.fencingToken !== null &&
    (await holdsLease(ledger, organizationId, failed.fencingToken))
  ) {
    const vault = await repository.openVault(organizationId);
    const named = new Set((await vault.listManifests()).flatMap((manifest) => manifest.packs.map((pack) => pack.name)));
    await vault.deletePacks(packNames.filter((name) => !named.has(name)));
  }
  await ledger.failJob({
    jobId: backupId,
    organizationId,
    code: failed.code,
    message: failed.message,
    fencingToken: failed.fencingToken,
    stages: failed.stages,
  });
}

async function holdsLease(ledger: JobLedger, organizationId: string, fencingToken: number): Promise<boolean> {
  try {
    await ledger.assertLease({ organizationId, fencingToken });
    return true;
  } catch (error) {
    if (error instanceof BackupError && error.code === "OrganizationBusy") return false;
    throw error;
  }
}
