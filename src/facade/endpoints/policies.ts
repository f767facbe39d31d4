// Policies: when an organization is backed up. The control table and Temporal's schedule change together: the schedule is
// applied before the row is committed, so a change that Temporal did not take is not there. (A commit that then fails
// leaves a newer schedule, which the next reconcile puts right.)
import { ScheduleNotFoundError } from "@temporalio/client";
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { applyPolicySchedule, describePolicySchedule, removePolicySchedule } from "../../client/policy-schedules.ts";
import { longestGapSeconds, previewSchedule } from "../../client/preview-schedule.ts";
import { getPolicy, listPolicies as listPolicyRows } from "../../control/policies.ts";
import {
  changePolicy,
  createPolicy,
  pausePolicy,
  removePolicy,
  type PolicyValues,
} from "../../control/policy-changes.ts";
import { proofLevels } from "../../domain/backup-request.ts";
import { policyDefaults, scheduleIdOf, type Policy } from "../../domain/policy.ts";
import { findRetentionFault, retentionDefaults, retentionLimits } from "../../domain/retention.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { id, lineOfText, organizationId } from "../input.ts";
import { assertDataSets } from "./backups.ts";
import { assertOrganization } from "./organizations.ts";

const proofs = [...proofLevels];
const timeZone = lineOfText(64).meta({ description: "An IANA name", example: "Europe/Paris" });
const cron = lineOfText(100).meta({ description: "Five fields, in the policy's time zone", example: "0 2 * * *" });

const countOf = (what: string) => z.int().min(1).max(retentionLimits.most).optional().meta({ description: what });
const daysOf = (what: string) => z.int().min(1).max(retentionLimits.mostDays).optional().meta({ description: what });
export const retentionSchema = z
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

const bodySchema = z
  .strictObject({
    organizationId: organizationId.optional(),
    name: lineOfText(100),
    cron,
    timeZone: timeZone.default(policyDefaults.timeZone),
    jitterSeconds: z.int().min(0).max(21_600).default(policyDefaults.jitterSeconds),
    catchupSeconds: z.int().min(60).max(604_800).default(policyDefaults.catchupSeconds),
    proof: z.enum(proofs).default(policyDefaults.proof),
    dataSets: z.array(lineOfText(100)).min(1).max(100).nullable().default(null),
    retention: retentionSchema.nullable().default(null),
    paused: z.boolean().default(false),
  })
  .meta({ id: "PolicyBody" });

const policySchema = z
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
    retention: retentionSchema.nullable().meta({ description: "Null: everything is kept" }),
    paused: z.boolean(),
    version: z.number(),
    words: z.string().meta({ description: "The cron line in words" }),
    nextRuns: z.array(z.string()),
  })
  .meta({ id: "Policy" });

const policyId = z.strictObject({ policyId: id });
const etagOf = (policy: Policy): string => `"${policy.version}"`;

function describe(policy: Policy) {
  const { words, nextRuns } = previewSchedule(policy.cron, policy.timeZone);
  return { ...policy, words, nextRuns: policy.paused ? [] : nextRuns };
}

type AnyCall = Pick<Call<never, never, never>, "dependencies" | "headers" | "client" | "run">;

/** @throws PolicyInvalid, ValueInvalid */
function readValues(call: AnyCall, body: z.output<typeof bodySchema>): PolicyValues {
  const { organizationId: _organizationId, ...values } = body;
  previewSchedule(values.cron, values.timeZone);
  assertDataSets(call, values.dataSets);
  return { ...values, longestGapSeconds: longestGapSeconds(values.cron, values.timeZone) };
}

/** Null when the caller does not say which version it has read. */
function versionOf({ headers }: AnyCall): number | null {
  if (headers.ifMatch === null || headers.ifMatch === "*") return null;
  const version = Number(headers.ifMatch.slice(1, -1));
  return Number.isInteger(version) ? version : -1; // an ETag that was never ours matches no version
}

const applied = async (call: AnyCall, policy: Policy): Promise<Policy> => {
  await askTemporal(call.client, () => applyPolicySchedule(call.client, policy));
  return policy;
};

export const listPolicies = defineEndpoint({
  id: "listPolicies",
  method: "get",
  path: "/api/admin/policies",
  action: "policy.read",
  scope: "any",
  summary: "Policies and when they run",
  query: z.strictObject({ organizationId: organizationId.optional() }),
  success: { status: 200, description: "All of them", schema: z.object({ policies: z.array(policySchema) }) },
  async handle(call) {
    const policies = await call.run((bound) =>
      listPolicyRows(bound, call.organizationId === null ? {} : { organizationId: call.organizationId }),
    );
    return { status: 200, body: { policies: policies.map(describe) } };
  },
});

export const createPolicyEndpoint = defineEndpoint({
  id: "createPolicy",
  method: "post",
  path: "/api/admin/policies",
  action: "policy.write",
  scope: "organization",
  summary: "Make a policy",
  body: bodySchema,
  success: { status: 201, description: "The policy", schema: policySchema, location: true, etag: true },
  refusals: ["PolicyExists", "PolicyInvalid", "OrganizationNotFound"],
  async handle(call) {
    const values = readValues(call, call.body);
    const organization = call.organizationId as string;
    await assertOrganization(call, organization);
    const policy = await call.run(async (bound) => applied(call, await createPolicy(bound, organization, values)));
    return {
      status: 201,
      body: describe(policy),
      headers: { Location: `/api/admin/policies/${policy.id}`, ETag: etagOf(policy) },
    };
  },
});

export const readPolicy = defineEndpoint({
  id: "readPolicy",
  method: "get",
  path: "/api/admin/policies/{policyId}",
  action: "policy.read",
  scope: "any",
  summary: "One policy, as Temporal runs it",
  params: policyId,
  success: {
    status: 200,
    description: "The policy",
    schema: policySchema.extend({
      schedule: z
        .object({ paused: z.boolean(), nextRuns: z.array(z.string()), recentRuns: z.array(z.string()) })
        .nullable()
        .meta({ description: "Null when Temporal has no schedule of it: run `wedsync-backup policy reconcile`" }),
    }),
    etag: true,
  },
  refusals: ["PolicyNotFound"],
  async handle(call) {
    const policy = await call.run((bound) => getPolicy(bound, call.params.policyId));
    const schedule = await askTemporal(call.client, () => describePolicySchedule(call.client, policy));
    return { status: 200, body: { ...describe(policy), schedule }, headers: { ETag: etagOf(policy) } };
  },
});

export const replacePolicy = defineEndpoint({
  id: "replacePolicy",
  method: "put",
  path: "/api/admin/policies/{policyId}",
  action: "policy.write",
  scope: "organization",
  summary: "Change a policy; with If-Match only the version that was read",
  params: policyId,
  body: bodySchema,
  conditional: true,
  success: { status: 200, description: "The policy", schema: policySchema, etag: true },
  refusals: ["PolicyNotFound", "PolicyExists", "PolicyChanged", "PolicyInvalid"],
  async handle(call) {
    const values = readValues(call, call.body);
    const policy = await call.run(async (bound) =>
      applied(call, await changePolicy(bound, call.params.policyId, versionOf(call), values)),
    );
    return { status: 200, body: describe(policy), headers: { ETag: etagOf(policy) } };
  },
});

export const deletePolicy = defineEndpoint({
  id: "deletePolicy",
  method: "delete",
  path: "/api/admin/policies/{policyId}",
  action: "policy.write",
  scope: "organization",
  summary: "Remove a policy; its backups stay",
  params: policyId,
  conditional: true,
  success: { status: 204, description: "It is gone" },
  refusals: ["PolicyNotFound", "PolicyChanged"],
  async handle(call) {
    await call.run(async (bound) => {
      const policy = await removePolicy(bound, call.params.policyId, versionOf(call));
      await askTemporal(call.client, () => removePolicySchedule(call.client, scheduleIdOf(policy))).catch(
        (error: unknown) => {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        },
      );
    });
    return { status: 204 };
  },
});

const pauseEndpoint = (name: "pause" | "resume") =>
  defineEndpoint({
    id: `${name}Policy`,
    method: "post",
    path: `/api/admin/policies/{policyId}/${name}`,
    action: "policy.pause",
    scope: "organization",
    summary: name === "pause" ? "Stop running it" : "Run it again",
    params: policyId,
    query: z.strictObject({ organizationId: organizationId.optional() }),
    success: { status: 200, description: "The policy", schema: policySchema, etag: true },
    refusals: ["PolicyNotFound"],
    async handle(call) {
      const policy = await call.run(async (bound) =>
        applied(call, await pausePolicy(bound, call.params.policyId, name === "pause")),
      );
      return { status: 200, body: describe(policy), headers: { ETag: etagOf(policy) } };
    },
  });

export const pausePolicyEndpoint = pauseEndpoint("pause");
export const resumePolicyEndpoint = pauseEndpoint("resume");

export const previewPolicySchedule = defineEndpoint({
  id: "previewSchedule",
  method: "get",
  path: "/api/admin/schedule-preview",
  action: "policy.read",
  scope: "any",
  summary: "What a cron line means, in words and times",
  query: z.strictObject({ cron, timeZone: timeZone.default(policyDefaults.timeZone) }),
  success: {
    status: 200,
    description: "Words and the next runs",
    schema: z.object({ words: z.string(), nextRuns: z.array(z.string()) }),
  },
  refusals: ["PolicyInvalid"],
  handle: async ({ query }) => ({ status: 200, body: previewSchedule(query.cron, query.timeZone) }),
});
