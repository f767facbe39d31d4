// An HTTP proxy between a store and its server that meddles as a test says: it changes bytes, answers in the server's
// place, cuts connections, and keeps what it saw. Headers pass as they are, so that signatures stay valid.
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Meddling {
  /** Changes a body on its way to the server. */
  readonly upload?: (body: Buffer, seen: SeenRequest) => Buffer;
  /** Changes a body on its way back. */
  readonly download?: (body: Buffer, seen: SeenRequest) => Buffer;
  /** "drop": the connection is cut before the server hears of it; "deafen": after the server has done it. A number: that
   * status is answered in the server's place. */
  readonly fault?: (seen: SeenRequest) => "drop" | "deafen" | "cut body" | number | null;
}

export interface MeddlingProxy {
  readonly endpoint: string;
  readonly seen: SeenRequest[];
  meddling: Meddling;
  stop(): Promise<void>;
}

export async function startMeddlingProxy(target: string): Promise<MeddlingProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, answer) => {
    handle(incoming, answer).catch(() => incoming.socket.destroy()); // a client that went away
  });
  const proxy: MeddlingProxy = {
    get endpoint() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    seen: [],
    meddling: {},
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const seen: SeenRequest = { method, url, headers };
    proxy.seen.push(seen);
    const { upload, download, fault } = proxy.meddling;
    const what = fault?.(seen) ?? null;
    const body = await readAll(incoming);
    if (what === "drop") return void incoming.socket.destroy();
    if (typeof what === "number") return void answer.writeHead(what).end();
    const outgoing = request({ hostname, port, method, path: url, headers });
    outgoing.on("error", () => incoming.socket.destroy());
    outgoing.end(upload?.(body, seen) ?? body);
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    const received = await readAll(response);
    if (what === "deafen") return void incoming.socket.destroy();
    const returned = download?.(received, seen) ?? received;
    answer.writeHead(response.statusCode ?? 502, withLength(response.rawHeaders, received, returned));
    if (what === "cut body") {
      answer.write(received.subarray(0, received.length / 2), () => incoming.socket.destroy());
      return;
    }
    answer.end(method === "HEAD" ? undefined : returned);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return proxy;
}

/** Names and values in turn, as they came; only a body of another length is told as such. */
const withLength = (rawHeaders: readonly string[], received: Buffer, returned: Buffer): string[] =>
  rawHeaders.map((text, at) =>
    returned.length !== received.length && at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === "content-length"
      ? String(returned.length)
      : text,
  );

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The same bytes with one bit turned, about the middle. */
export function withOneBitTurned(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const at = Math.floor(changed.length / 2);
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}
