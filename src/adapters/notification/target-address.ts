// Where a webhook may go. A tenant chooses the URL and our network would send the request, so everything that is not the
// public internet is refused: a metadata service, a neighbour in the rack, this machine. The name is resolved once, every
// address that it has is judged, and the connection is made to the judged address: a name that answers differently the
// second time (DNS rebinding) is not asked a second time.
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { BackupError } from "../../domain/errors.ts";
import { isAllowedHost } from "../../domain/notification-target.ts";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Tests resolve names of their own. */
export type Resolve = (hostname: string) => Promise<readonly { address: string; family: number }[]>;

const resolveAll: Resolve = (hostname) => lookup(hostname, { all: true, verbatim: true });

/** IANA's special-purpose registry, and what else is not one host of the public internet. */
const notPublic4 = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // carrier-grade NAT; some clouds' metadata
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // link-local; most clouds' metadata
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  notPublic4.addSubnet(network, prefix, "ipv4");

/** Global unicast is the only part of IPv6 that is let through, so mapped, local, unique-local and multicast never are. */
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");
const notPublic6 = new BlockList();
for (const [network, prefix] of [
  ["2001::", 23], // Teredo and other protocols: an IPv4 address may hide in it
  ["2001:db8::", 32],
  ["2002::", 16], // 6to4: an IPv4 address hides in it
  ["3fff::", 20],
] as const)
  notPublic6.addSubnet(network, prefix, "ipv6");

export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !notPublic4.check(address, "ipv4");
  if (family !== 6 || address.includes("%")) return false;
  return global6.check(address, "ipv6") && !notPublic6.check(address, "ipv6");
}

/** @throws NotificationTargetRefused; NotificationUndelivered when the name has no address now */
export async function resolveTarget(
  url: URL,
  { allowedHosts, resolve = resolveAll }: { allowedHosts: readonly string[]; resolve?: Resolve },
): Promise<ResolvedAddress> {
  // The URL parser has made one form of the many that an address can be written in (decimal, octal, hexadecimal).
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const found = isIP(hostname) === 0 ? await addressesOf(hostname, resolve) : [{ address: hostname }];
  const isAllowed = isAllowedHost(url, allowedHosts);
  if (!isAllowed && !found.every(({ address }) => isPublicAddress(address)))
    // Not which one: that would tell a stranger the names of our network.
    throw new BackupError("NotificationTargetRefused", "The webhook's host is not on the public internet.");
  const [{ address } = { address: "" }] = found;
  return { address, family: isIP(address) === 6 ? 6 : 4 };
}

async function addressesOf(hostname: string, resolve: Resolve): Promise<readonly { address: string }[]> {
  const found = await resolve(hostname).catch(() => []);
  if (found.length === 0) throw new BackupError("NotificationUndelivered", "The webhook's host has no address.");
  return found;
}
