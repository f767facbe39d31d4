// Where the files that restored rows name are put back: the media source, for writing.

export interface MediaTarget {
  readonly description: string;
  /**
   * Creates the file, or replaces it in one step: readers see the old content or the new one. When `content` throws,
   * nothing is changed. @throws MediaUnreachable, MediaAccessDenied (also for a path that leaves the target's root).
   */
  write(
    path: string,
    content: AsyncIterable<Buffer>,
    about: { readonly sizeBytes: number; readonly modifiedAt: string },
  ): Promise<void>;
  /** Removing what is not there succeeds. */
  remove(path: string): Promise<void>;
  close(): Promise<void>;
}
