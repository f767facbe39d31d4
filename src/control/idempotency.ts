// Requests with an Idempotency-Key: the first is worked on, later ones get its answer. Keys belong to an admin within an
// organization and are kept for a day.
import type { Queryable } from "./control-database.ts";

export interface KeyedRequest {
  readonly organizationId: string;
  readonly actor: string;
  readonly key: string;
  /** Of method, path and body. */
  readonly requestHash: string;
}

export interface KeptAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

export type KeyState =
  | { readonly kind: "new" }
  | { readonly kind: "under way" }
  | { readonly kind: "other request" }
  | { readonly kind: "answered"; readonly answer: KeptAnswer };

/** A process that died in the middle leaves a key without an answer; after this long another may try. */
const abandonedAfter = "2 minutes";

export async function claimKey(bound: Queryable, request: KeyedRequest): Promise<KeyState> {
  const { organizationId, actor, key, requestHash } = request;
  await bound.query(
    `DELETE FROM backup.idempotency_keys WHERE organization_id = $1 AND created_at < now() - interval '1 day'`,
    [organizationId],
  );
  const claimed = await bound.query(
    `INSERT INTO backup.idempotency_keys AS k (organization_id, actor, key, request_hash) VALUES ($1, $2, $3, $4)
     ON CONFLICT (organization_id, actor, key) DO UPDATE SET created_at = now()
       WHERE k.answer IS NULL AND k.request_hash = excluded.request_hash AND k.created_at < now() - interval '${abandonedAfter}'
     RETURNING 1 AS claimed`,
    [organizationId, actor, key, requestHash],
  );
  if (claimed.length > 0) return { kind: "new" };
  const [known] = await bound.query<{ requestHash: string; answer: KeptAnswer | null }>(
    `SELECT request_hash AS "requestHash", answer FROM backup.idempotency_keys WHERE organization_id = $1 AND actor = $2 AND key = $3`,
    [organizationId, actor, key],
  );
  if (known === undefined) return { kind: "under way" };
  if (known.requestHash !== requestHash) return { kind: "other request" };
  return known.answer === null ? { kind: "under way" } : { kind: "answered", answer: known.answer };
}

export async function keepAnswer(bound: Queryable, request: KeyedRequest, answer: KeptAnswer): Promise<void> {
  await bound.query(
    "UPDATE backup.idempotency_keys SET answer = $4 WHERE organization_id = $1 AND actor = $2 AND key = $3",
    [request.organizationId, request.actor, request.key, JSON.stringify(answer)],
  );
}

/** What failed may be tried again under the same key. */
export async function releaseKey(bound: Queryable, { organizationId, actor, key }: KeyedRequest): Promise<void> {
  await bound.query(
    "DELETE FROM backup.idempotency_keys WHERE organization_id = $1 AND actor = $2 AND key = $3 AND answer IS NULL",
    [organizationId, actor, key],
  );
}
