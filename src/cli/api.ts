// wedsync-backup api: the facade as a process of its own. Any number may run beside each other.
import { openFacade } from "./open-facade.ts";
import type { Session } from "./session.ts";

export async function runApi(session: Session): Promise<number> {
  const facade = await openFacade(session, { port: session.config.port, host: "0.0.0.0" });
  session.output.say(`facade ready at ${facade.url}`);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  await facade.stop();
  return 0;
}
