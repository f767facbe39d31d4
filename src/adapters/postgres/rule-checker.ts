// The catalogue's rules on Postgres: each in its own read-only transaction; only how many rows offend is taken out of it.
import { BackupError } from "../../domain/errors.ts";
import type { RuleFinding } from "../../domain/restore-run.ts";
import type { RuleChecker } from "../../ports/rule-checker.ts";
import { openConnection } from "./connection.ts";

const timeoutMs = 60_000;

export async function openRuleChecker(url: string): Promise<RuleChecker> {
  const connection = await openConnection(url, "wedsync-backup rules").catch((error: unknown) => {
    throw new BackupError(
      "RestoreTargetUnreachable",
      "The database whose rules are checked does not answer.",
      {},
      { cause: error },
    );
  });
  const { client } = connection;
  return {
    async check(organizationId, rules) {
      const findings: RuleFinding[] = [];
      for (const { name, title, sql } of rules) {
        try {
          await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}`);
          const { rows } = await client.query<{ offending: string }>(
            `SELECT count(*) AS offending FROM (${sql}) AS offending`,
            [organizationId],
          );
          findings.push({ rule: name, title, offending: Number(rows[0]?.offending ?? 0) });
        } catch (error) {
          throw refused(name, error);
        } finally {
          await client.query("ROLLBACK").catch(() => {}); // the connection is gone, and with it the transaction
        }
      }
      return findings;
    },
    close: () => connection.close(),
  };
}

function refused(name: string, error: unknown): BackupError {
  const code = (error as { code?: string }).code ?? "";
  if (code === "" || /^(08|57P|53)/.test(code))
    return new BackupError(
      "RestoreTargetUnreachable",
      `The database went away while rule ${name} was checked.`,
      {},
      { cause: error },
    );
  return new BackupError(
    "CatalogueInvalid",
    code === "57014"
      ? `Rule ${name} takes longer than ${timeoutMs / 1000} s.`
      : `The SQL of rule ${name} is refused by the database (SQLSTATE ${code}).`,
    { rule: name },
    { cause: error },
  );
}
