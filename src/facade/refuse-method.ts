import type { Request, Response } from "express";
import { BackupError } from "../domain/errors.ts";

/** For the methods that an address does not know. */
export function refuseMethod(known: readonly string[]) {
  const allow = (known.includes("GET") ? [...known, "HEAD"] : known).join(", ");
  return (_request: Request, response: Response): void => {
    response.set("Allow", allow);
    throw new BackupError("MethodNotAllowed", `This address knows ${allow}.`);
  };
}
