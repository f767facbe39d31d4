// Proves the audit log: every entry's hash, every link, every chain's end. Computed here and not in SQL, so that a changed
// database function proves nothing.
//
// What a chain alone can't show is a log that was written anew from some entry on, by somebody with the owner's rights.
// So `audit verify` also prints the chains' ends ("anchors"); kept elsewhere and given back later, they must still be there.
import { createHash } from "node:crypto";
import { auditEntryColumns, type AuditEntryFields } from "./audit-entry.ts";
import type { Queryable } from "./control-database.ts";

export interface AuditEntry extends AuditEntryFields {
  readonly position: string;
  /** As the database prints it: the text is hashed, not the value. */
  readonly details: string;
  readonly previousHash: string;
}

export interface AuditAnchor {
  readonly chain: string;
  readonly position: number;
  readonly hash: string;
}

export interface AuditReport {
  readonly entries: number;
  readonly chains: number;
  readonly problems: readonly string[];
  readonly anchors: readonly AuditAnchor[];
}

const genesis = "0".repeat(64);

/** Says again what backup.audit_hash says. */
export function hashOfEntry(entry: AuditEntry): string {
  const { previousHash, chain, position, at, organizationId, actor, actorRole, action, subject, outcome } = entry;
  const fields = [
    previousHash,
    chain,
    position,
    at,
    organizationId,
    actor,
    actorRole,
    action,
    subject,
    outcome,
    entry.ipHash,
    entry.requestId,
    entry.details,
  ];
  const text = fields.map((field) => (field === null ? "-" : `${Buffer.byteLength(field)}:${field}`)).join("");
  return createHash("sha256").update(text).digest("hex");
}

/** Entries of one chain, in order, a page at a time: holds no more than the last one. */
export class ChainProof {
  readonly chain: string;
  readonly problems: string[] = [];
  entries = 0;
  private last = { position: 0n, hash: genesis };

  constructor(chain: string) {
    this.chain = chain;
  }

  get end(): AuditAnchor {
    return { chain: this.chain, position: Number(this.last.position), hash: this.last.hash };
  }

  add(entry: AuditEntry): void {
    this.entries += 1;
    const where = `chain ${JSON.stringify(this.chain)}, entry ${entry.position}`;
    const expected = this.last.position + 1n;
    if (BigInt(entry.position) !== expected) this.problems.push(`${where}: entry ${expected} is missing before it`);
    else if (entry.previousHash !== this.last.hash)
      this.problems.push(`${where}: does not follow the entry before it; one of them was changed or inserted`);
    if (hashOfEntry(entry) !== entry.hash) this.problems.push(`${where}: was changed`);
    this.last = { position: BigInt(entry.position), hash: entry.hash };
  }

  finish(head: { position: string; hash: string } | undefined): void {
    const where = `chain ${JSON.stringify(this.chain)}`;
    if (head === undefined) this.problems.push(`${where}: its end is not recorded`);
    else if (BigInt(head.position) !== this.last.position)
      this.problems.push(`${where}: ends at entry ${this.last.position}, but should at ${head.position}`);
    else if (head.hash !== this.last.hash)
      this.problems.push(`${where}: its last entry is not the one that was written`);
  }
}

const pageSize = 2_000;
const columns = `${auditEntryColumns}, a.position::text, a.details::text, a.previous_hash AS "previousHash"`;

/** Reads as the tables' owner. Entries that are written meanwhile do not disturb: each chain is read up to its end of now. */
export async function verifyAuditLog(owner: Queryable, kept: readonly AuditAnchor[] = []): Promise<AuditReport> {
  const heads = await owner.query<{ chain: string; position: string; hash: string }>(
    "SELECT chain, position::text, hash FROM backup.audit_heads UNION ALL SELECT chain, NULL, NULL FROM (SELECT DISTINCT chain FROM backup.audit_log) l WHERE NOT EXISTS (SELECT FROM backup.audit_heads h WHERE h.chain = l.chain) ORDER BY chain",
  );
  const problems: string[] = [];
  const anchors: AuditAnchor[] = [];
  let entries = 0;
  for (const head of heads) {
    const proof = new ChainProof(head.chain);
    const known = kept.filter((anchor) => anchor.chain === head.chain);
    const last = head.position ?? "9223372036854775807";
    for (let after = "0", more = true; more;) {
      const page = await owner.query<AuditEntry>(
        `SELECT ${columns} FROM backup.audit_log a WHERE a.chain = $1 AND a.position > $2::bigint AND a.position <= $3::bigint ORDER BY a.position LIMIT ${pageSize}`,
        [head.chain, after, last],
      );
      for (const entry of page) {
        proof.add(entry);
        const anchor = known.find((each) => String(each.position) === entry.position);
        if (anchor !== undefined && anchor.hash !== entry.hash)
          proof.problems.push(
            `chain ${JSON.stringify(head.chain)}, entry ${entry.position}: is not the one that was anchored`,
          );
      }
      more = page.length === pageSize;
      after = page.at(-1)?.position ?? after;
    }
    proof.finish(head.position === null ? undefined : head);
    entries += proof.entries;
    problems.push(...proof.problems);
    anchors.push(proof.end);
  }
  for (const anchor of kept) {
    const end = anchors.find((each) => each.chain === anchor.chain);
    if (end === undefined || end.position < anchor.position)
      problems.push(`chain ${JSON.stringify(anchor.chain)}: entry ${anchor.position}, which was anchored, is gone`);
  }
  return { entries, chains: heads.length, problems, anchors };
}
