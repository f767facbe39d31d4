// What an erasure leaves behind: who had what erased, when, and what is left; signed, and true of what is there by then.
import { canonicalJson } from "../src/domain/canonical-json.ts";
import {
  addAmounts,
  alwaysRemaining,
  countAmounts,
  noAmounts,
  subtractAmounts,
  type ErasureCertificate,
  type ErasureOutcome,
} from "../src/domain/erase-run.ts";
import type { ErasureRow } from "../src/ports/erasure-ledger.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import type { EraseStep } from "./erase-contract.ts";

export async function certifyErasure(
  { repository, erasures }: Pick<ActivityDependencies, "repository" | "erasures">,
  step: EraseStep & { finishedAt: string },
): Promise<ErasureOutcome> {
  const { erasureId, organizationId, finishedAt } = step;
  const store = repository.erasure(organizationId);
  const row = await erasures.readErasure(step);
  const left = await store.count();
  const status = countAmounts(left) === 0 ? "erased" : "incomplete";
  const removed = subtractAmounts(addAmounts(row.keyAmounts ?? noAmounts, row.amounts ?? noAmounts), left);
  const certificate: ErasureCertificate = {
    certificate: "wedsync-backup erasure",
    version: 1,
    erasureId,
    organizationId,
    repositoryId: store.repositoryId,
    orderedBy: row.requestedBy,
    requestedAt: row.requestedAt,
    orderedAt: row.orderedAt ?? "",
    keysDestroyedAt: row.keysDestroyedAt ?? "",
    finishedAt,
    status,
    keyIds: row.keyIds ?? [],
    removed,
    controlRows: row.controlRows ?? {},
    remaining: [...row.remaining, ...alwaysRemaining],
  };
  const text = canonicalJson(certificate);
  await erasures.completeErasure({
    key: step,
    status,
    finishedAt,
    certificate: text,
    signature: store.sign(text),
  });
  return { erasureId, organizationId, status, removed, remaining: row.remaining };
}

/** As it was certified. */
export function outcomeOf({ erasureId, organizationId, certificate, remaining }: ErasureRow): ErasureOutcome {
  const { removed } = JSON.parse(certificate ?? "{}") as ErasureCertificate;
  return { erasureId, organizationId, status: "erased", removed, remaining };
}
