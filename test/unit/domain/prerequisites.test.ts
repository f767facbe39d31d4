// Whether a policy runs, waits or fails is told by how the newest runs of its prerequisites stand.
import { expect, test } from "@jest/globals";
import { judgePrerequisites, type Prerequisite } from "../../../src/domain/policy.ts";

const of = (...states: Prerequisite["newest"][]): Prerequisite[] =>
  states.map((newest, index) => ({ policyId: String(index), name: `policy ${index}`, newest }));

test.each([
  [[], "run"],
  [["completed", "incomplete"], "run"],
  [["completed", "running"], "wait"],
  [["none"], "wait"],
] as const)("%j: %s", (states, verdict) => {
  expect(judgePrerequisites(of(...states))).toEqual({ verdict });
});

test("fails with every one that failed, also while another still runs", () => {
  expect(judgePrerequisites(of("failed", "running", "cancelled"))).toEqual({
    verdict: "fail",
    because: ["policy 0", "policy 2"],
  });
});
