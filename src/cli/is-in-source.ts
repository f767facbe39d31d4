// A mistyped id must make nothing: whoever begins something for an organization asks here first.
import type { Session } from "./session.ts";

export async function isInSource(session: Session, organizationId: string): Promise<boolean> {
  const [source, { root }] = [await session.source(), await session.catalogue()];
  return (await source.listOrganizations(root)).includes(organizationId);
}
