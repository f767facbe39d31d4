// Stage 10, verify, and verifications of their own: reads back what a manifest names, from the store, and proves it. Shares
// nothing with the run that wrote it but the key, so that any worker can do it.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { ProofLevel } from "../src/domain/backup-request.ts";
import type { Proof, VerificationLevel, VerifyOrder } from "../src/domain/verify-run.ts";
import type { Manifest } from "../src/repository/manifest.ts";
import type { OrganizationVault } from "../src/repository/vault.ts";
import { verifyConsistency } from "../src/repository/verify-consistency.ts";
import { verifyContent } from "../src/repository/verify-content.ts";
import { verifyIntegrity } from "../src/repository/verify-integrity.ts";
import { isDamage, type Problem } from "../src/repository/damage.ts";
import { beatWhile } from "./heartbeat.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import type { SessionKey, Verification } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";
import type { VerifyActivities } from "./verify-contract.ts";

type Dependencies = Pick<
  ActivityDependencies,
  "repository" | "jobs" | "verifications" | "catalogue" | "testRestore" | "retention"
>;

interface Asked {
  readonly organizationId: string;
  readonly backupId: string;
  readonly sequence: number;
  readonly level: VerificationLevel;
  readonly part: VerifyOrder["part"];
}

/** Problems that travel through history; the control tables keep as many. */
export const mostProblems = 20;

/** Of a backup's own run. @throws BackupUnproven */
export async function verifyBackup(
  dependencies: Dependencies,
  { key, sequence, proof }: { key: SessionKey; sequence: number; proof: ProofLevel },
): Promise<Verification> {
  const watch = new Stopwatch("shared");
  try {
    const { organizationId, backupId } = key;
    const level = proof === "none" ? "integrity" : proof;
    const { bytes, problems, problemCount } = await prove(dependencies, {
      organizationId,
      backupId,
      sequence,
      level,
      part: null,
    });
    const [first] = problems;
    if (first !== undefined) {
      throw new BackupError(
        "BackupUnproven",
        `${problemCount} objects of the backup could not be proven, the first: ${first.key} (${first.code}).`,
        { problems: problemCount },
      );
    }
    watch.bytesIn = bytes;
    return { problems: 0, figures: watch.figures() };
  } finally {
    watch.stop();
  }
}

export async function proveStoredBackup(
  dependencies: Dependencies,
  { order, backup }: Parameters<VerifyActivities["proveBackup"]>[0],
): Promise<Proof> {
  const { organizationId, level, part } = order;
  const { backupId, sequence } = backup;
  const asked = { organizationId, backupId, sequence, level, part };
  // All stored bytes are looked at as they are; one backup must stay until it is proven.
  if (level === "integrity") return await prove(dependencies, asked);
  const { retention } = dependencies;
  const reader = `verify/${order.verificationId}`;
  if (!(await retention.holdBackup({ organizationId, sequence, reader, seconds: holdSeconds })))
    throw new BackupError("BackupNotFound", `Retention has let backup ${sequence} go meanwhile.`, { organizationId });
  const proof = await prove(dependencies, asked);
  await retention.dropHold({ organizationId, reader });
  return proof;
}

/** Longer than one try may take; where the verification ends badly, retention waits this long and no more. */
const holdSeconds = 7 * 60 * 60;

async function prove(dependencies: Dependencies, asked: Asked): Promise<Proof> {
  const { cancellationSignal } = Context.current();
  const startedAt = new Date();
  let seen = { bytes: 0 };
  const onProgress = ({ bytes }: { bytes: number }): void => {
    cancellationSignal.throwIfAborted();
    seen = { bytes };
  };
  return await beatWhile(
    () => ({ stage: "verify", ...seen }),
    async () => {
      const found =
        asked.level === "integrity"
          ? await proveIntegrity(dependencies, asked, onProgress)
          : await proveManifest(dependencies, asked, onProgress);
      const proof: Proof = {
        ...noProof,
        ...found,
        level: asked.level,
        problems: found.problems.slice(0, mostProblems),
        problemCount: found.problems.length,
      };
      await dependencies.verifications.recordVerification({
        ...proof,
        jobId: asked.backupId,
        organizationId: asked.organizationId,
        sequence: asked.sequence,
        part: asked.part,
        startedAt,
      });
      return proof;
    },
  );
}

const noProof = { rows: 0, restoreSeconds: null, rules: [], notes: [] } as const;

type OnProgress = (progress: { bytes: number }) => void;
type Found = Pick<Proof, "objects" | "bytes" | "problems"> & Partial<Proof>;

async function proveIntegrity(
  { repository, jobs }: Dependencies,
  { organizationId, part }: Asked,
  onProgress: OnProgress,
): Promise<Found> {
  const expectedLatest = await jobs.latestManifest(organizationId); // before the look at the store: later ones may come
  const vault = await repository.openVault(organizationId);
  const report = await verifyIntegrity(repository.store, organizationId, vault.exportVerificationKey(), {
    onProgress,
    expectedLatest,
    part,
  });
  return { objects: report.manifests + report.packs, bytes: report.bytes, problems: report.problems };
}

async function proveManifest(dependencies: Dependencies, asked: Asked, onProgress: OnProgress): Promise<Found> {
  const vault = await dependencies.repository.openVault(asked.organizationId);
  const { manifest } = await vault.readManifest(asked.sequence);
  const inside =
    asked.level === "content"
      ? { notes: [], ...(await verifyContent(vault, manifest, onProgress)) }
      : await verifyConsistency(vault, manifest, onProgress);
  const found: Found = {
    objects: inside.segments,
    bytes: inside.bytes,
    rows: inside.rows,
    notes: inside.notes,
    problems: inside.problems.map((problem) => withoutPath(manifest, problem)),
  };
  if (asked.level !== "restore" || found.problems.length > 0) return found;
  return { ...found, ...(await proveByRestore(dependencies, vault, manifest, found, onProgress)) };
}

async function proveByRestore(
  { catalogue, testRestore }: Dependencies,
  vault: OrganizationVault,
  manifest: Manifest,
  { notes = [] }: Found,
  onProgress: OnProgress,
): Promise<Partial<Proof>> {
  const { rules = [] } = catalogue;
  try {
    const tested = await testRestore({ testId: manifest.backupId, vault, manifest, rules, onProgress });
    return { restoreSeconds: tested.durationMs / 1000, rules: tested.rules, notes: [...notes, ...tested.notes] };
  } catch (error) {
    // Rows that do not come back are a finding; a database that can't be made is a failure of the test.
    if (!isDamage(error)) throw error;
    return { problems: [{ key: "restore test", code: error.code, message: error.message }] };
  }
}

/** A file's path is personal data: history and the control tables get its place in the manifest instead. */
export const fileProblemKey = (place: number, of: number): string => `file ${place + 1} of ${of}`;

function withoutPath({ media }: Manifest, problem: Problem): Problem {
  const place = media.files.findIndex((file) => file.path === problem.key);
  if (place < 0) return problem;
  const key = fileProblemKey(place, media.files.length);
  return { key, code: problem.code, message: `${key} could not be proven` };
}
