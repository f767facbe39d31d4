// One connection to Temporal, for the CLI and the facade.
import { Client, Connection } from "@temporalio/client";
import { BackupError } from "../domain/errors.ts";
import { traceCalls } from "./trace-calls.ts";

export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
  readonly apiKey: string | null;
  /** null: no TLS. Certificates are PEM texts; without them the server's certificate is checked and no client's is sent. */
  readonly tls: {
    readonly certificate?: string;
    readonly privateKey?: string;
    readonly authority?: string;
    readonly serverName?: string;
  } | null;
}

export interface ConnectedClient {
  readonly client: Client;
  close(): Promise<void>;
}

export function connectionOptions({ address, apiKey, tls }: TemporalAddress) {
  const clientCertPair =
    tls?.certificate !== undefined && tls.privateKey !== undefined
      ? { crt: Buffer.from(tls.certificate), key: Buffer.from(tls.privateKey) }
      : undefined;
  return {
    address,
    ...(apiKey === null ? {} : { apiKey }),
    ...(tls === null
      ? {}
      : {
          tls: {
            ...(clientCertPair && { clientCertPair }),
            ...(tls.authority && { serverRootCACertificate: Buffer.from(tls.authority) }),
            ...(tls.serverName && { serverNameOverride: tls.serverName }),
          },
        }),
  };
}

/** `currentTrace`: see traceCalls; without it nothing is traced. @throws TemporalUnreachable */
export async function connectClient(
  temporal: TemporalAddress,
  currentTrace: (() => string | null) | null = null,
): Promise<ConnectedClient> {
  try {
    const connection = await Connection.connect({ ...connectionOptions(temporal), connectTimeout: "10s" });
    const client = new Client({
      connection,
      namespace: temporal.namespace,
      ...(currentTrace === null ? {} : { interceptors: { workflow: [traceCalls(currentTrace)] } }),
    });
    return { client, close: () => connection.close() };
  } catch (error) {
    throw new BackupError(
      "TemporalUnreachable",
      `No Temporal server answers at ${temporal.address}. Start one with \`npm start\`, or set TEMPORAL_ADDRESS.`,
      { address: temporal.address },
      { cause: error },
    );
  }
}
