// Asks a database what the catalogue's rules say of one organization.
import type { Rule } from "../domain/catalogue.ts";
import type { RuleFinding } from "../domain/restore-run.ts";

export interface RuleChecker {
  /** One finding for each rule, also where nothing offends. @throws RestoreTargetUnreachable, CatalogueInvalid naming a rule whose SQL is refused. */
  check(organizationId: string, rules: readonly Rule[]): Promise<readonly RuleFinding[]>;
  close(): Promise<void>;
}
