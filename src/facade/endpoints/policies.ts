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
import { scheduleIdOf, type Policy } from "../../domain/policy.ts";
import { defineEndpoint, type Call } from "../endpoint.ts";
import { id, organizationQuery } from "../input.ts";
import { assertDataSets } from "./backups.ts";
import { assertOrganization } from "./organizations.ts";
import { policyBody, policyForm } from "./policy-forms.ts";

const policyId = z.strictObject({ policyId: id });
const etagOf = (policy: Policy): string => `"${policy.version}"`;

function describe(policy: Policy) {
  const { words, nextRuns } = previewSchedule(policy.cron, policy.timeZone);
  return { ...policy, words, nextRuns: policy.paused ? [] : nextRuns };
}

type AnyCall = Pick<Call<never, never, never>, "dependencies" | "headers" | "client" | "run">;

/** @throws PolicyInvalid, ValueInvalid */
function readValues(call: AnyCall, body: z.output<typeof policyBody>): PolicyValues {
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
  query: organizationQuery,
  success: { status: 200, description: "All of them", schema: z.object({ policies: z.array(policyForm) }) },
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
  body: policyBody,
  success: { status: 201, description: "The policy", schema: policyForm, location: true, etag: true },
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
    schema: policyForm.extend({
      schedule: z
        .object({
          paused: z.boolean(),
          nextRuns: z.array(z.string()),
          recentRuns: z.array(z.string()),
          skippedRuns: z
            .object({
              stillRunning: z.number().meta({ description: "The run before it was still going on" }),
              missed: z.number().meta({ description: "Temporal was away for longer than the policy catches up" }),
            })
            .meta({ description: "Runs that the schedule did not start, since it was made" }),
        })
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
  body: policyBody,
  conditional: true,
  success: { status: 200, description: "The policy", schema: policyForm, etag: true },
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
    query: organizationQuery,
    success: { status: 200, description: "The policy", schema: policyForm, etag: true },
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
