// wedsync-backup worker: one more pair of hands. Any number may run, on any machines that reach the same servers.
import { openWorker } from "./open-worker.ts";
import type { Session } from "./session.ts";

export async function runWorker(session: Session): Promise<number> {
  await session.servers();
  const worker = await openWorker(session);
  session.output.say(`worker ready, ${session.temporal.address}`);
  const stop = (): void => {
    session.output.say("stopping: running activities are told, others wait for the next worker");
    void worker.stop().catch(() => {}); // `done` has the reason
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  await worker.done;
  return 0;
}
