// What a policy looks like in requests and answers.
import { z } from "zod";
import { proofLevels } from "../../domain/backup-request.ts";
import { policyDefaults } from "../../domain/policy.ts";
import { findRetentionFault, retentionDefaults, retentionLimits } from "../../domain/retention.ts";
import { lineOfText, organizationId } from "../input.ts";

export const timeZone = lineOfText(64).meta({ description: "An IANA name", example: "Europe/Paris" });
export const cron = lineOfText(100).meta({
  description: "Five fields, in the policy's time zone",
  example: "0 2 * * *",
});

const countOf = (what: string) => z.int().min(1).max(retentionLimits.most).optional().meta({ description: what });
const daysOf = (what: string) => z.int().min(1).max(retentionLimits.mostDays).optional().meta({ description: what });
export const retentionForm = z
  .strictObject({
    last: countOf("The newest so many"),
    withinDays: daysOf("All that are younger"),
    hourly: countOf("The newest of each of so many hours"),
    daily: countOf("The newest of each of so many days"),
    weekly: countOf("The newest of each of so many weeks"),
    monthly: countOf("The newest of each of so many months"),
    yearly: countOf("The newest of each of so many years"),
    minProven: z.int().min(0).max(retentionLimits.most).default(retentionDefaults.minProven).meta({
      description: "So many proven ones stay whatever the other rules say; while fewer are proven, all stay",
    }),
    othersDays: daysOf("How long backups stay that no policy made; else for ever"),
  })
  .refine((rules) => findRetentionFault(rules) === null, "must set at least one rule that keeps; null keeps everything")
  .meta({ id: "Retention" });

/** What callers send. */
export const policyBody = z
  .strictObject({
    organizationId: organizationId.optional(),
    name: lineOfText(100),
    cron,
    timeZone: timeZone.default(policyDefaults.timeZone),
    jitterSeconds: z.int().min(0).max(21_600).default(policyDefaults.jitterSeconds),
    catchupSeconds: z.int().min(60).max(604_800).default(policyDefaults.catchupSeconds),
    proof: z.enum([...proofLevels]).default(policyDefaults.proof),
    dataSets: z.array(lineOfText(100)).min(1).max(100).nullable().default(null),
    retention: retentionForm.nullable().default(null),
    paused: z.boolean().default(false),
  })
  .meta({ id: "PolicyBody" });

/** What they are told. */
export const policyForm = z
  .object({
    id: z.string(),
    organizationId: z.string(),
    name: z.string(),
    cron: z.string(),
    timeZone: z.string(),
    jitterSeconds: z.number(),
    catchupSeconds: z.number(),
    proof: z.string(),
    dataSets: z.array(z.string()).nullable(),
    verification: z
      .object({ cron: z.string(), level: z.string(), nights: z.number() })
      .loose()
      .nullable()
      .meta({ description: "Proofs on a schedule of their own" }),
    retention: retentionForm.nullable().meta({ description: "Null: everything is kept" }),
    paused: z.boolean(),
    version: z.number(),
    words: z.string().meta({ description: "The cron line in words" }),
    nextRuns: z.array(z.string()),
  })
  .meta({ id: "Policy" });
