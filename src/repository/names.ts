// Keys of objects in the store. Every one is written once, create-only.
import { BackupError } from "../domain/errors.ts";
import { limits } from "./limits.ts";

export const repositoryKey = "repository";
export const rootsPrefix = "roots/";
export const organizationsPrefix = "organizations/";
/** Of organizations that were erased. */
export const erasedPrefix = "erased/";

export const rootKey = (rootKeyId: string): string => `${rootsPrefix}${rootKeyId}`;

/** Of the encoded form: it is one part of a path, and file systems take 255 bytes. */
const maxEncodedBytes = 200;

/** @throws OrganizationInvalid for ids that could not be a path's part or a key of any database. */
export function organizationPrefix(organizationId: string): string {
  const encoded = encodeOrganization(organizationId);
  if (encoded === null) {
    throw new BackupError(
      "OrganizationInvalid",
      `An organization id must be well-formed text without control characters, and at most ${maxEncodedBytes} bytes long when each byte outside A-Z, a-z, 0-9, "_" and "-" counts three times.`,
    );
  }
  return `${organizationsPrefix}${encoded}/`;
}

/** Injective. A lone surrogate would be stored as U+FFFD, and two ids would share a folder: refused. */
function encodeOrganization(organizationId: string): string | null {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (organizationId === "" || !organizationId.isWellFormed() || /\p{Cc}/u.test(organizationId)) return null;
  if (organizationId.length > maxEncodedBytes) return null;
  const encoded = Array.from(Buffer.from(organizationId), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
  return encoded.length <= maxEncodedBytes ? encoded : null;
}

/** Null for a folder that no organization id is written as: what a stranger put there is not ours. */
export function decodeOrganization(part: string): string | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    return null; // "%ZZ" and bytes that are not UTF-8
  }
  return encodeOrganization(decoded) === part ? decoded : null;
}

export const wrappedKeysPrefix = (organizationId: string): string => `${organizationPrefix(organizationId)}keys/`;
export const wrappedKeyKey = (organizationId: string, rootKeyId: string): string =>
  `${wrappedKeysPrefix(organizationId)}1.${rootKeyId}`;
export const packsPrefix = (organizationId: string): string => `${organizationPrefix(organizationId)}packs/`;
export const packKey = (organizationId: string, packName: string): string =>
  `${packsPrefix(organizationId)}${packName}`;
export const manifestsPrefix = (organizationId: string): string => `${organizationPrefix(organizationId)}manifests/`;

/** @throws BackupTooLarge after ten thousand million backups; UsageInvalid for what is no sequence. */
export function manifestKey(organizationId: string, sequence: number): string {
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new BackupError("UsageInvalid", "A backup's number is a whole number from 1.");
  if (sequence > limits.manifestSequence)
    throw new BackupError("BackupTooLarge", `A backup's number is at most ${limits.manifestSequence}.`);
  return `${manifestsPrefix(organizationId)}${String(sequence).padStart(10, "0")}`;
}

export const releasesPrefix = (organizationId: string): string => `${organizationPrefix(organizationId)}releases/`;
export const releaseKey = (organizationId: string, number: number): string =>
  `${releasesPrefix(organizationId)}${String(number).padStart(10, "0")}`;

export const isPackName = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);
/** Null for anything else than the name of a manifest or of a release record. */
export const parseNumberedName = (name: string): number | null =>
  /^\d{10}$/.test(name) && Number(name) > 0 ? Number(name) : null;
