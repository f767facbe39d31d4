// Whether this process lives and whether it can do its work. Open to everybody, so which part fails is told, why is not.
import type { Express } from "express";
import { refuseMethod } from "./refuse-method.ts";

export type HealthChecks = Readonly<Record<string, () => Promise<unknown>>>;

const checkTimeoutMs = 3_000;

export function healthRoutes(app: Express, checks: HealthChecks): void {
  const livez = app.route("/livez");
  livez.get((_request, response) => void response.json({ status: "ok" }));
  livez.all(refuseMethod(["GET"]));
  const readyz = app.route("/readyz");
  readyz.get(async (_request, response) => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await answersInTime(check)] as const),
    );
    const isReady = results.every(([, ok]) => ok);
    response.status(isReady ? 200 : 503).json({
      status: isReady ? "ok" : "unavailable",
      checks: Object.fromEntries(results.map(([name, ok]) => [name, ok ? "ok" : "failed"])),
    });
  });
  readyz.all(refuseMethod(["GET"]));
}

async function answersInTime(check: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), checkTimeoutMs)));
  const asked = check().then(
    () => true,
    () => false, // which dependency failed is answered; why is in that dependency's own log
  );
  const answer = await Promise.race([asked, late]);
  clearTimeout(timer);
  return answer;
}
