// What a folder that was recovered says of itself. It has its name only once everything in it is written and proven.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const receiptName = "recovered.json";

/** @returns the backup that the folder holds, as it was recovered; null where it is no recovery's, or can't be read. */
export async function readRecoveredFolder(
  folder: string,
): Promise<{ readonly backupId: string; readonly isWhole: boolean } | null> {
  try {
    const receipt = JSON.parse(await readFile(join(folder, receiptName), "utf8")) as Record<string, unknown> | null;
    const [backupId, lost] = [receipt?.["backupId"], receipt?.["lost"]];
    return typeof backupId === "string" && Array.isArray(lost) ? { backupId, isWhole: lost.length === 0 } : null;
  } catch {
    return null; // whatever it is, it is somebody's: the recovery is refused all the same
  }
}
