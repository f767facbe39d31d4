// A proxy before Postgres that meddles with COMMIT: where a client's answer to it gets lost, nobody knows whether it happened.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * drop: the connection is cut before the server hears of the COMMIT.
 * cut: the server hears of it, and the client is cut at once.
 * deafen: the client is cut when the server has answered.
 * vanish: the same, and from then on no connection is taken.
 */
export type CommitFault = "drop" | "cut" | "deafen" | "vanish";

export interface PostgresProxy {
  readonly url: string;
  /** For the next COMMIT; null = let it pass. */
  fault: CommitFault | null;
  /** New connections are refused while true. */
  isDown: boolean;
  /** COMMITs that were met by a fault. */
  readonly faults: number;
  stop(): Promise<void>;
}

/** A simple query as the client sends it: Q, the length, the text and a zero byte. */
const commit = Buffer.concat([Buffer.from("Q"), Buffer.from([0, 0, 0, 11]), Buffer.from("COMMIT\0")]);

export async function startPostgresProxy(target: string): Promise<PostgresProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let faults = 0;
  const server = createServer((client) => {
    if (proxy.isDown) return void client.destroy();
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => {}); // its close ends the other side
      socket.on("close", () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let deafened = false;
    client.on("data", (chunk: Buffer) => {
      const { fault } = proxy;
      if (fault === null || !chunk.includes(commit)) return void upstream.write(chunk);
      proxy.fault = null;
      faults += 1;
      if (fault === "drop") return void client.destroy();
      deafened = true;
      proxy.isDown = fault === "vanish";
      upstream.write(chunk, () => {
        // Half-closed: the server reads the COMMIT, and only then that nobody is there.
        if (fault === "cut") upstream.end();
      });
    });
    upstream.on("data", (chunk: Buffer) => {
      if (deafened) return void client.destroy();
      client.write(chunk);
    });
  });
  const proxy: PostgresProxy = {
    get url() {
      const url = new URL(target);
      url.port = String((server.address() as AddressInfo).port);
      return url.href;
    },
    get faults() {
      return faults;
    },
    fault: null,
    isDown: false,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return proxy;
}
