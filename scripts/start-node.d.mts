export const nodeFlags: readonly string[];
export function nodeEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string>;
