// Integrity with the verification key alone: every stored byte of an organization is the one that was written, in its
// place, and everything that a manifest names is there. A holder of that key can read nothing.
//
// A manifest that is not there is either one that retention let go, and then an authentic release record says so, or it was
// removed. Not seen from the bucket alone: that the newest manifest was taken away. `expectedLatest` (the control tables
// keep it) closes that gap.
import { BackupError } from "../domain/errors.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { Problem } from "./damage.ts";
import { IntegrityRead, type OnProgress } from "./integrity-read.ts";
import { isMarkedErased } from "./tombstone.ts";
import { parseVerificationKey } from "./verification-key.ts";
import { verifyManifests, type ExpectedLatest } from "./verify-manifests.ts";
import { verifyPacks, type Part } from "./verify-packs.ts";
import { verifyRecords } from "./verify-records.ts";

export interface IntegrityReport {
  readonly organizationId: string;
  readonly manifests: number;
  readonly packs: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
  /** Not wrong, but worth knowing: packs that no manifest names. */
  readonly notes: readonly string[];
}

export interface IntegrityOptions {
  readonly onProgress?: OnProgress;
  readonly expectedLatest?: ExpectedLatest | null;
  /** Reads one part of the packs only. */
  readonly part?: Part | null;
}

export async function verifyIntegrity(
  store: ObjectStore,
  organizationId: string,
  verificationKey: string,
  { onProgress, expectedLatest = null, part = null }: IntegrityOptions = {},
): Promise<IntegrityReport> {
  const read = new IntegrityRead(store, organizationId, parseVerificationKey(verificationKey), onProgress);
  await refuseErased(read);
  await verifyRecords(read);
  const named = await verifyManifests(read, expectedLatest);
  const packs = await verifyPacks(read, named.packs, part);
  const { bytes, problems, notes } = read;
  return { organizationId, manifests: named.manifests, packs, bytes, problems, notes };
}

/** Proven by the root key alone (tombstone.ts); a holder of the verification key believes it. */
async function refuseErased({ store, organizationId, verification: { repositoryId } }: IntegrityRead): Promise<void> {
  if (!(await isMarkedErased(store, { repositoryId, organizationId }))) return;
  throw new BackupError(
    "OrganizationErased",
    `The backups of organization ${organizationId} were erased; there is nothing to verify.`,
    { organizationId },
  );
}
