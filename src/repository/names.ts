// Keys of objects in the store. Every one is written once, create-only.
import { BackupError } from "../domain/errors.ts";

export const repositoryKey = "repository";
export const rootsPrefix = "roots/";
export const organizationsPrefix = "organizations/";

export const rootKey = (rootKeyId: string): string => `${rootsPrefix}${rootKeyId}`;

const maxIdBytes = 200;

/** @throws OrganizationInvalid for ids that could not be a path's part or a key of any database. */
export function organizationPrefix(organizationId: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (organizationId === "" || Buffer.byteLength(organizationId) > maxIdBytes || /\p{Cc}/u.test(organizationId)) {
    throw new BackupError(
      "OrganizationInvalid",
      "An organization id must have 1 to 200 bytes and no control characters.",
    );
  }
  const encoded = Array.from(Buffer.from(organizationId), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return `${organizationsPrefix}${encoded.join("")}/`;
}

export const decodeOrganization = (part: string): string => decodeURIComponent(part);

export const wrappedKeyKey = (organizationId: string, rootKeyId: string): string =>
  `${organizationPrefix(organizationId)}keys/1.${rootKeyId}`;
export const packKey = (organizationId: string, packName: string): string =>
  `${organizationPrefix(organizationId)}packs/${packName}`;
export const manifestsPrefix = (organizationId: string): string => `${organizationPrefix(organizationId)}manifests/`;
export const manifestKey = (organizationId: string, sequence: number): string =>
  `${manifestsPrefix(organizationId)}${String(sequence).padStart(10, "0")}`;
