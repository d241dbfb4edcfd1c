// What a script can do with a call: the phone's own view of it, in text, without signalling or media.

/** Something the peer said; `text` is empty when it was not understood. */
export interface HeardTurn {
  text: string
}

export interface Line {
  ring(): void
  /** Resolves when the call is up. */
  answer(): Promise<void>
  /** Ends the call with a final response. */
  refuse(sipCode: number): void
  /** Resolves when it was said. `over`: also while the peer is speaking. */
  say(text: string, options: { over: boolean; voice: string | null }): Promise<void>
  /** Resolves when the digits have been sent. */
  press(digits: string): Promise<void>
  /** What the peer said since the last time this was asked, or says within `timeoutMs`; null for nothing. */
  hear(timeoutMs: number): Promise<HeardTurn | null>
  /** Drops what the peer has said so far. */
  forget(): void
  hangUp(): void
}
