// What stands around every verb: its session, its entry in the audit log, its exit code.
import type { Command } from "commander";
import { parseConfig } from "../../config/config.ts";
import { cacheFolder } from "../../local/cache-folder.ts";
import { auditVerb } from "../audit-verb.ts";
import { createOutput, reportError } from "../output.ts";
import { Session } from "../session.ts";

type Verb<Parameters extends unknown[]> = (session: Session, ...parameters: Parameters) => Promise<number> | number;

/** Makes commander's action of a verb. */
export type RunVerb = <Parameters extends unknown[]>(
  verb: Verb<Parameters>,
) => (...parameters: [...Parameters, Command]) => Promise<void>;

/** Opens a session around a verb; whatever happens, it is closed, and the exit code is the error table's. */
export function createRunVerb(environment: NodeJS.ProcessEnv, json: () => boolean): RunVerb {
  return <Parameters extends unknown[]>(verb: Verb<Parameters>) =>
    async (...parameters: [...Parameters, Command]): Promise<void> => {
      const output = createOutput({ json: json() });
      let session: Session | null = null;
      try {
        session = new Session(parseConfig(environment, { cwd: process.cwd() }), output, cacheFolder(environment));
        for (const warning of session.config.warnings) output.say(`warning: ${warning}`);
        const opened = session;
        process.exitCode = await auditVerb(opened, parameters.at(-1) as Command, async () =>
          verb(opened, ...(parameters as unknown as Parameters)),
        );
      } catch (error) {
        process.exitCode = reportError(error, { json: json() });
      } finally {
        await session?.close();
      }
      process.exit();
    };
}
