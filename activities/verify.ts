// Stage 10, verify: reads back what the manifest names, from the store, and proves it. Shares nothing with the run that
// wrote it but the key, so that any worker can do it.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { ProofLevel } from "../src/domain/backup-request.ts";
import type { Repository } from "../src/repository/repository.ts";
import type { JobLedger } from "../src/ports/job-ledger.ts";
import { verifyContent } from "../src/repository/verify-content.ts";
import { verifyIntegrity } from "../src/repository/verify-integrity.ts";
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
  const watch = new Stopwatch();
  const startedAt = new Date();
  const context = Context.current();
  let seen = { bytes: 0 };
  const beating = setInterval(() => context.heartbeat({ stage: "verify", ...seen }), 1_000);
  const onProgress = (progress: { bytes: number }): void => {
    context.cancellationSignal.throwIfAborted();
    seen = progress;
  };
  try {
    const vault = await repository.openVault(key.organizationId);
    const result =
      proof === "content"
        ? await proveContent(vault, sequence, onProgress)
        : await proveIntegrity(repository, key.organizationId, vault, onProgress);
    await ledger.recordVerification({
      jobId: key.backupId,
      organizationId: key.organizationId,
      level: proof,
      startedAt,
      ...result,
    });
    const [first] = result.problems;
    if (first !== undefined) {
      throw new BackupError(
        "BackupUnproven",
        `${result.problems.length} objects of the backup could not be proven, the first: ${first.key} (${first.code}).`,
        {
          problems: result.problems.length,
        },
      );
    }
    watch.bytesIn = result.bytes;
    return { problems: 0, figures: watch.figures() };
  } finally {
    clearInterval(beating);
  }
}

type Vault = Awaited<ReturnType<Repository["openVault"]>>;

async function proveContent(vault: Vault, sequence: number, onProgress: (progress: { bytes: number }) => void) {
  const { manifest } = await vault.readManifest(sequence);
  const { segments, bytes, problems } = await verifyContent(vault, manifest, onProgress);
  return { objects: segments, bytes, problems };
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
