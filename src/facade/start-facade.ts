// The facade's HTTP server: time-outs for slow callers, and a stop that lets requests under way finish.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createFacade } from "./application.ts";
import type { FacadeDependencies } from "./dependencies.ts";

export interface RunningFacade {
  readonly url: string;
  stop(): Promise<void>;
}

export interface FacadeServerOptions {
  readonly port: number;
  readonly host: string;
  readonly dependencies: FacadeDependencies;
  /** A request's head and body must be here after so long; answers may take longer. */
  readonly requestTimeoutMs?: number;
  /** Streams that are still open so long after stop() are cut. */
  readonly drainMs?: number;
}

export async function startFacade(options: FacadeServerOptions): Promise<RunningFacade> {
  const { port, host, dependencies, requestTimeoutMs = 15_000, drainMs = 5_000 } = options;
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(requestTimeoutMs, 10_000),
      connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
      keepAliveTimeout: 10_000,
      maxHeaderSize: 16 * 1024,
    },
    createFacade(dependencies),
  );
  server.listen(port, host);
  await once(server, "listening"); // rejects when the port is taken
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host}:${address.port}`,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearTimeout(timer);
      await dependencies.watch.stop();
    },
  };
}
