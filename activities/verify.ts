// Stage 10, verify: reads back what the manifest names, from the store, and proves it. Shares nothing with the run that
// wrote it but the key, so that any worker can do it.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { ProofLevel } from "../src/domain/backup-request.ts";
import type { Repository } from "../src/repository/repository.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import { verifyContent } from "../src/repository/verify-content.ts";
import { verifyIntegrity, type Problem } from "../src/repository/verify-integrity.ts";
import type { Manifest } from "../src/repository/manifest.ts";
import { beatWhile } from "./heartbeat.ts";
import type { SessionKey, Verification } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

interface VerifyInput {
  readonly key: SessionKey;
  readonly sequence: number;
  readonly proof: ProofLevel;
}

export async function verifyBackup(
  repository: Repository,
  ledger: JobLedger,
  { key, sequence, proof }: VerifyInput,
): Promise<Verification> {
  const watch = new Stopwatch("shared");
  const startedAt = new Date();
  const context = Context.current();
  let seen = { bytes: 0 };
  const onProgress = (progress: { bytes: number }): void => {
    context.cancellationSignal.throwIfAborted();
    seen = progress;
  };
  const prove = async (): Promise<Verification> => {
    const vault = await repository.openVault(key.organizationId);
    const { objects, bytes, problems } =
      proof === "content"
        ? await proveContent(vault, sequence, onProgress)
        : await proveIntegrity(repository, key.organizationId, vault, onProgress);
    await ledger.recordVerification({
      jobId: key.backupId,
      organizationId: key.organizationId,
      level: proof,
      startedAt,
      objects,
      bytes,
      problems,
    });
    const [first] = problems;
    if (first !== undefined) {
      throw new BackupError(
        "BackupUnproven",
        `${problems.length} objects of the backup could not be proven, the first: ${first.key} (${first.code}).`,
        { problems: problems.length },
      );
    }
    watch.bytesIn = bytes;
    return { problems: 0, figures: watch.figures() };
  };
  return await beatWhile(() => ({ stage: "verify", ...seen }), prove).finally(() => watch.stop());
}

type Vault = Awaited<ReturnType<Repository["openVault"]>>;

async function proveContent(vault: Vault, sequence: number, onProgress: (progress: { bytes: number }) => void) {
  const { manifest } = await vault.readManifest(sequence);
  const { segments, bytes, problems } = await verifyContent(vault, manifest, onProgress);
  return { objects: segments, bytes, problems: problems.map((problem) => withoutPath(manifest, problem)) };
}

/** A file's path is personal data: history and the control tables get its place in the manifest instead. */
function withoutPath({ media }: Manifest, problem: Problem): Problem {
  const place = media.files.findIndex((file) => file.path === problem.key);
  if (place < 0) return problem;
  const key = `file ${place + 1} of ${media.files.length}`;
  return { key, code: problem.code, message: `${key} could not be proven` };
}

async function proveIntegrity(
  repository: Repository,
  organizationId: string,
  vault: Vault,
  onProgress: (progress: { bytes: number }) => void,
) {
  const report = await verifyIntegrity(repository.store, organizationId, vault.exportVerificationKey(), { onProgress });
  return { objects: report.manifests + report.packs, bytes: report.bytes, problems: report.problems };
}
