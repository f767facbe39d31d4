// Options that several verbs have.
import { Option } from "commander";
import { proofLevels } from "../../domain/backup-request.ts";

/** For an option that may be given again. */
export const repeated = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

export const proofOption = (): Option =>
  new Option("--proof <level>", "how the backup is proven when it is made")
    .choices([...proofLevels])
    .default("content");

/** Of a proof that is asked for on its own: none is no proof. */
export const provingLevels = proofLevels.filter((level) => level !== "none");
