// Which backup a caller means.
import { z } from "zod";
import type { BackupChoice } from "../../domain/restore-run.ts";
import { id } from "../input.ts";

export const backupSchema = z
  .union([
    z.literal("latest"),
    z.strictObject({ backupId: id }),
    z.strictObject({ at: z.iso.datetime({ offset: true }) }),
  ])
  .default("latest")
  .meta({
    description:
      "`latest`, a backup's id, or the newest one at or before a moment. One made right before a restore is had by its id only",
  });

export function choiceOf(backup: z.output<typeof backupSchema>): BackupChoice {
  if (backup === "latest") return { by: "latest" };
  return "at" in backup ? { by: "time", at: backup.at } : { by: "id", backupId: backup.backupId };
}
