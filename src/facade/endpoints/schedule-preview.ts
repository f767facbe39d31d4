// What a cron line means, before somebody makes a policy of it.
import { z } from "zod";
import { previewSchedule } from "../../client/preview-schedule.ts";
import { policyDefaults } from "../../domain/policy.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cron, timeZone } from "./policy-forms.ts";

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
