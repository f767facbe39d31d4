// wedsync-backup api: the facade as a process of its own.
import { startFacade } from "../facade/health.ts";
import type { Session } from "./session.ts";

export async function runApi(session: Session): Promise<number> {
  const [client, control, store] = [await session.client(), await session.control(), await session.store()];
  const facade = await startFacade({
    port: session.config.port,
    host: "0.0.0.0",
    checks: {
      temporal: () => client.workflowService.getSystemInfo({}),
      database: () => control.query("SELECT 1"),
      storage: () => store.stat("repository"),
    },
  });
  session.output.say(`facade ready at ${facade.url}`);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await facade.stop();
  return 0;
}
