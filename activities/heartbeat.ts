// Heartbeats: an activity that shows no sign of life for 15 seconds counts as lost with its worker, and a cancel reaches it
// only in the answer to one. So everything that may wait beats, each second, and not before its first is over: each beat is a
// write on the server, and the stages of a small backup end sooner.
import { Context } from "@temporalio/activity";

const everyMs = 1_000;

export async function beatWhile<T>(details: () => Record<string, unknown>, run: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beating = setInterval(() => context.heartbeat(details()), everyMs);
  try {
    return await run();
  } finally {
    clearInterval(beating);
  }
}
