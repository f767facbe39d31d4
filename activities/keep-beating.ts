// Heartbeats on a timer while long work runs, so that a slow store or database is not taken for a dead worker; and the
// news of a cancellation, which comes with them.
import { Context } from "@temporalio/activity";

const beatMs = 1_000;

export async function keepBeating<T>(seen: () => unknown, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat(seen());
  const beating = setInterval(() => context.heartbeat(seen()), beatMs);
  try {
    return await work(context.cancellationSignal);
  } finally {
    clearInterval(beating);
  }
}
