// The catalogue's rules on the restored organization. They inform: a rule that the backup's own rows break is no fault of
// the restore, and must not take it back.
import type { RuleFinding } from "../../src/domain/restore-run.ts";
import { beatWhile } from "../heartbeat.ts";
import type { RestoreStep } from "../restore-contract.ts";
import type { RestoreDependencies } from "./load-plan.ts";

export async function checkRestored(
  { catalogue, restores, openRuleChecker }: RestoreDependencies,
  { order }: RestoreStep,
): Promise<readonly RuleFinding[]> {
  const { rules = [] } = catalogue;
  if (rules.length === 0) return [];
  return await beatWhile(
    () => ({ stage: "validate" }),
    async () => {
      const { targetSealed } = await restores.readSecrets(order.restoreId);
      const checker = await openRuleChecker(targetSealed);
      try {
        return await checker.check(order.targetOrganizationId, rules);
      } finally {
        await checker.close();
      }
    },
  );
}
