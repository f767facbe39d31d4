// The facade for now: health only. Data endpoints come with authentication, not before it.
import type { Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express, { type Express, type Request, type Response } from "express";

export type HealthChecks = Readonly<Record<string, () => Promise<unknown>>>;

const checkTimeoutMs = 3_000;

export function createFacade(checks: HealthChecks): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use((_request, response, next) => {
    response.set({
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'",
      "Referrer-Policy": "no-referrer",
    });
    next();
  });
  const get = (path: string, answer: (response: Response) => Promise<void>): void => {
    app.get(path, (_request, response) => answer(response));
    app.all(path, (request, response) =>
      problem(request, response.set("Allow", "GET, HEAD"), 405, "Method not allowed"),
    );
  };
  get("/livez", async (response) => void response.json({ status: "ok" }));
  get("/readyz", async (response) => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await answersInTime(check)] as const),
    );
    const isReady = results.every(([, ok]) => ok);
    response.status(isReady ? 200 : 503).json({
      status: isReady ? "ok" : "unavailable",
      checks: Object.fromEntries(results.map(([name, ok]) => [name, ok ? "ok" : "failed"])),
    });
  });
  app.use((request, response) => problem(request, response, 404, "Not found"));
  return app;
}

/** RFC 9457. */
function problem(request: Request, response: Response, status: number, title: string): void {
  response
    .status(status)
    .type("application/problem+json")
    .send(JSON.stringify({ type: "about:blank", title, status, instance: request.path }));
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

export async function startFacade(options: {
  port: number;
  host: string;
  checks: HealthChecks;
}): Promise<{ url: string; stop(): Promise<void> }> {
  const server: Server = createFacade(options.checks).listen(options.port, options.host);
  await once(server, "listening"); // rejects when the port is taken
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    async stop() {
      server.close();
      server.closeIdleConnections();
      await once(server, "close");
    },
  };
}
