// wedsync-backup verify: proves stored backups. Integrity needs the verification key alone; content needs the root key.
import { createJobLedger } from "../control/job-ledger.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";
import { BackupError } from "../domain/errors.ts";
import type { Problem } from "../repository/damage.ts";
import { verifyContent } from "../repository/verify-content.ts";
import { verifyIntegrity } from "../repository/verify-integrity.ts";
import type { ExpectedLatest } from "../repository/verify-manifests.ts";
import { findBackup } from "./find-backup.ts";
import { bytes, number, rate, seconds, table, usage } from "./output.ts";
import { describeVerifications, verifyByWorkflow } from "./verify-by-workflow.ts";
import type { Session } from "./session.ts";

interface VerifyOptions {
  readonly organization?: string;
  readonly level: VerificationLevel;
}

interface Verified {
  readonly organizationId: string;
  readonly level: string;
  readonly objects: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

export async function runVerify(session: Session, backup: string | undefined, options: VerifyOptions): Promise<number> {
  if (options.level === "consistency" || options.level === "restore") {
    const outcomes = await verifyByWorkflow(session, backup, options);
    const described = await describeVerifications(session, outcomes);
    session.output.result(outcomes, () => described);
    return outcomes.some((each) => each.problemCount > 0) ? new BackupError("BackupUnproven", "").kind.exitCode : 0;
  }
  const results =
    options.level === "content" ? await proveContent(session, backup, options) : await proveIntegrity(session, options);
  session.output.result(results, () => describe(results));
  return results.some((result) => result.problems.length > 0) ? new BackupError("BackupUnproven", "").kind.exitCode : 0;
}

async function proveIntegrity(session: Session, options: VerifyOptions): Promise<Verified[]> {
  const { organization } = options;
  const { verificationKey } = session.config; // never an argument: arguments can be read by other users
  if (verificationKey !== null && organization === undefined)
    throw usage("A verification key is one organization's: say --organization ID.");
  const keys: [string, string][] = [];
  if (verificationKey !== null && organization !== undefined) {
    keys.push([organization, verificationKey]);
  } else {
    const repository = await session.repository();
    for (const id of organization === undefined ? await repository.listOrganizations() : [organization])
      keys.push([id, (await repository.openVault(id)).exportVerificationKey()]);
  }
  const store = await session.store();
  const results: Verified[] = [];
  for (const [organizationId, key] of keys) {
    const startedMs = performance.now();
    const expectedLatest = await askForLatest(session, organizationId);
    const report = await verifyIntegrity(store, organizationId, key, {
      expectedLatest,
      onProgress: (seen) => session.output.progress(`${organizationId} ${bytes(seen.bytes)}`),
    });
    results.push({
      ...report,
      level: "integrity",
      objects: report.manifests + report.packs,
      durationMs: performance.now() - startedMs,
    });
  }
  return results;
}

/** Null, and a line on stderr, when the control tables can't be asked: the bucket alone proves all but its newest backup. */
async function askForLatest(session: Session, organizationId: string): Promise<ExpectedLatest | null> {
  const control = await session.knownControl();
  if (control === null) return null;
  try {
    return await createJobLedger(control).latestManifest(organizationId);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    session.output.say(
      `the control tables can't be asked (${error.code}); whether a newer backup was taken away is not known here`,
    );
    return null;
  }
}

async function proveContent(
  session: Session,
  backup: string | undefined,
  { organization }: VerifyOptions,
): Promise<Verified[]> {
  const repository = await session.repository();
  const ids =
    organization !== undefined || backup !== undefined ? [organization] : await repository.listOrganizations();
  const results: Verified[] = [];
  for (const id of ids) {
    const startedMs = performance.now();
    const { vault, manifest } = await findBackup(session, backup ?? "latest", id);
    const report = await verifyContent(vault, manifest, (seen) =>
      session.output.progress(`${manifest.organizationId} ${bytes(seen.bytes)}`),
    );
    const { segments, problems } = report;
    results.push({
      organizationId: manifest.organizationId,
      level: "content",
      objects: segments,
      bytes: report.bytes,
      durationMs: performance.now() - startedMs,
      problems,
      notes: [],
    });
  }
  return results;
}

function describe(results: readonly Verified[]): string {
  const rows = results.map((each) => [
    each.organizationId,
    each.level,
    number(each.objects),
    bytes(each.bytes),
    `${seconds(each.durationMs)}, ${rate(each.bytes, each.durationMs)}`,
    each.problems.length === 0 ? "proven" : `${each.problems.length} PROBLEMS`,
  ]);
  const details = results.flatMap((each) => [
    ...each.problems.map((problem) => `${problem.code} ${problem.key}: ${problem.message}`),
    ...each.notes.map((note) => `note: ${note}`),
  ]);
  return [table(["organization", "level", "objects", "bytes", "time", "result"], rows), ...details].join("\n");
}
