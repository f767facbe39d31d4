// wedsync-backup audit verify: whether the audit log is whole. Its anchors, kept elsewhere and given back later, also
// prove that it was not written anew.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { verifyAuditLog, type AuditAnchor } from "../control/audit-chain.ts";
import { BackupError } from "../domain/errors.ts";
import { number, usage } from "./output.ts";
import type { Session } from "./session.ts";

const anchorsSchema = z.object({
  anchors: z.array(z.object({ chain: z.string(), position: z.int().min(0), hash: z.string() })),
});

export async function runVerifyAudit(session: Session, options: { anchors?: string }): Promise<number> {
  const kept = options.anchors === undefined ? [] : await readAnchors(options.anchors);
  const report = await verifyAuditLog(await session.control(), kept);
  session.output.result(report, () =>
    report.problems.length === 0
      ? `${number(report.entries)} entries in ${report.chains} chains are as they were written${kept.length > 0 ? `, and hold all ${kept.length} anchors` : ""}`
      : report.problems.join("\n"),
  );
  return report.problems.length === 0 ? 0 : new BackupError("ObjectCorrupt", "").kind.exitCode;
}

/** What an earlier `audit verify --json` printed. */
async function readAnchors(path: string): Promise<readonly AuditAnchor[]> {
  const text = await readFile(path, "utf8").catch(() => {
    throw usage(`--anchors names a file that can't be read.`);
  });
  try {
    return anchorsSchema.parse(JSON.parse(text)).anchors;
  } catch {
    throw usage("--anchors must name the output of an earlier `wedsync-backup --json audit verify`.");
  }
}
