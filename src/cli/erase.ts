// wedsync-backup erase: everything that is kept of an organization's backups, for ever. Shows what would go, has the id or
// name typed again, and prints the certificate.
import { createInterface } from "node:readline/promises";
import { followErasure, requestErasureRun } from "../client/start-erasure.ts";
import { listAudit } from "../control/audit.ts";
import { verifyAuditLog } from "../control/audit-chain.ts";
import { auditErasure, countControlRows, findErasure, getErasure, requestErasure } from "../control/erasures.ts";
import { readLegalHold } from "../control/legal-hold.ts";
import { countAmounts, isConfirmed, type ErasureCertificate, type StoredAmounts } from "../domain/erase-run.ts";
import { BackupError } from "../domain/errors.ts";
import { describeLock } from "../repository/erasure.ts";
import { isInSource } from "./is-in-source.ts";
import { bringWorker } from "./open-worker.ts";
import { findOrganizationName } from "./organization-names.ts";
import { bytes, number, usage } from "./output.ts";
import type { Session } from "./session.ts";

export interface EraseOptions {
  readonly organization: string;
  readonly confirm?: string;
  readonly dryRun?: boolean;
  readonly leaveLocked?: boolean;
  readonly showCertificate?: boolean;
}

export async function runErase(session: Session, options: EraseOptions): Promise<number> {
  const { organization: organizationId } = options;
  if (options.showCertificate === true) return await showCertificate(session, organizationId);
  const preview = await look(session, organizationId);
  if (options.dryRun === true) {
    session.output.result(preview, () => describePreview(preview));
    return 0;
  }
  await confirm(session, preview, options);
  const client = await session.client();
  await bringWorker(session);
  const erasureId = await requestErasure(await session.control(), {
    organizationId,
    actor: "cli",
    leaveLocked: options.leaveLocked === true,
  });
  await requestErasureRun(client, { erasureId, organizationId });
  session.output.progress(`erasing ${organizationId}`);
  const { status } = await followErasure(client, { organizationId });
  await showCertificate(session, organizationId);
  return status === "erased" ? 0 : new BackupError("BackupIncomplete", "").kind.exitCode;
}

type Preview = Awaited<ReturnType<typeof look>>;

/** @throws OrganizationNotFound: a mistyped id must not be erased before it ever exists. */
async function look(session: Session, organizationId: string) {
  const control = await session.control();
  const erasure = (await session.repository()).erasure(organizationId);
  const [stored, locks, rows, hold, known] = [
    await erasure.count(),
    await erasure.listLocks(3),
    await countControlRows(control, organizationId),
    await readLegalHold(control, organizationId),
    await findErasure(control, organizationId),
  ];
  const isKnown = countAmounts(stored) > 0 || Object.keys(rows).length > 0 || known !== null;
  if (!isKnown && !(await isInSource(session, organizationId)))
    throw new BackupError(
      "OrganizationNotFound",
      `Nothing is known of an organization ${organizationId}: no backup, no row, not in the source.`,
    );
  return {
    organizationId,
    stored,
    controlRows: rows,
    status: known?.status ?? null,
    refusedBy: [
      ...(hold === null ? [] : [`legal hold since ${hold.placedAt}: ${hold.reason}`]),
      ...locks.map((lock) => `${lock.key}: ${describeLock(lock)}`),
    ],
  };
}

/** @throws ErasureUnconfirmed, UsageInvalid where nobody can be asked */
async function confirm(session: Session, preview: Preview, { confirm: given }: EraseOptions): Promise<void> {
  const { organizationId } = preview;
  let typed = given;
  if (typed === undefined) {
    if (!process.stdin.isTTY || session.output.json)
      throw usage("Nobody can be asked here: say --confirm and the organization's id or name, to the letter.");
    session.output.say(describePreview(preview));
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      typed = await terminal.question("\nThis can't be undone. Type the organization's id or name to erase it all: ");
    } finally {
      terminal.close();
    }
  }
  if (isConfirmed(typed, organizationId, await findOrganizationName(session, organizationId))) return;
  await auditErasure(await session.control(), {
    organizationId,
    actor: "cli",
    subject: organizationId,
    outcome: "refused",
    details: { code: "ErasureUnconfirmed" },
  });
  throw new BackupError(
    "ErasureUnconfirmed",
    `What was typed is neither the id nor the name of organization ${organizationId}. Nothing was erased.`,
  );
}

/** Exits with the code of a mismatch where the certificate is not the one that was written. */
async function showCertificate(session: Session, organizationId: string): Promise<number> {
  const control = await session.control();
  const {
    certificate: text,
    certificateRoot,
    certificateMac,
    status,
    errorCode,
  } = await getErasure(control, organizationId);
  if (text === null || certificateRoot === null || certificateMac === null)
    throw new BackupError(
      "ErasureNotFound",
      `The erasure of organization ${organizationId} has no certificate: it is ${status}${errorCode === null ? "" : ` (${errorCode})`}.`,
    );
  const signature = { rootKeyId: certificateRoot, mac: certificateMac };
  const isSigned = (await session.repository()).erasure(organizationId).isSigned(text, signature);
  const entries = await listAudit(control, {
    organizationId,
    action: "organization.erase",
    outcome: "done",
    after: null,
    limit: 100,
  });
  const stands = entries.some(
    ({ details }) => details["certificateText"] === text && details["mac"] === certificateMac,
  );
  const { problems } = await verifyAuditLog(control);
  const proof = {
    signature: isSigned === null ? "by another root key than the present one" : isSigned ? "valid" : "FORGED",
    auditLog: !stands
      ? "NOT THERE"
      : problems.length > 0
        ? "there, but the log was changed"
        : "there, and the log is whole",
  };
  const certificate = JSON.parse(text) as ErasureCertificate;
  session.output.result({ certificate, text, signature, proof }, () => describeCertificate(certificate, proof));
  const isSound = isSigned !== false && stands && problems.length === 0;
  return isSound ? 0 : new BackupError("ObjectCorrupt", "").kind.exitCode;
}

const describeStored = ({ keys, manifests, packs, others, bytes: size }: StoredAmounts): string =>
  `${number(keys)} keys, ${number(manifests)} manifests, ${number(packs)} packs${others > 0 ? `, ${number(others)} other objects` : ""}; ${bytes(size)}`;

const describeRows = (rows: Readonly<Record<string, number>>): string =>
  Object.entries(rows)
    .map(([table, count]) => `${number(count)} ${table}`)
    .join(", ") || "none";

function describePreview({ organizationId, stored, controlRows, status, refusedBy }: Preview): string {
  return [
    `erasing ${organizationId} would remove, for ever:`,
    `  store           ${describeStored(stored)}`,
    `  control tables  ${describeRows(controlRows)}`,
    "  and its schedules, and what restores kept for their undoing",
    "the audit log stays, and so does the live data; no backup can be made under this id again",
    ...(status === null ? [] : [`an erasure of it is ${status}`]),
    ...refusedBy.map((each) => `REFUSED by ${each}`),
  ].join("\n");
}

function describeCertificate(certificate: ErasureCertificate, proof: { signature: string; auditLog: string }): string {
  const { organizationId, erasureId, orderedBy, orderedAt, keysDestroyedAt, finishedAt, status } = certificate;
  return [
    `certificate of erasure ${erasureId}`,
    `  organization     ${organizationId}, in repository ${certificate.repositoryId}`,
    `  ordered          ${orderedAt} by ${orderedBy}`,
    `  keys destroyed   ${keysDestroyedAt} (${certificate.keyIds.join(", ") || "there was none"})`,
    `  ${status.padEnd(15)}  ${finishedAt}`,
    `  removed          ${describeStored(certificate.removed)}`,
    `  control tables   ${describeRows(certificate.controlRows)}`,
    ...certificate.remaining.map(({ what, why }) => `  remains          ${what}: ${why}`),
    `signature: ${proof.signature}; audit log: ${proof.auditLog}`,
  ].join("\n");
}
