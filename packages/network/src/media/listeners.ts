// Who listens to which leg of a media plane.
import type { MediaEvent } from './port.ts'

type Listener = (event: MediaEvent) => void

export class LegListeners {
  readonly #byLeg = new Map<string, Set<Listener>>()

  /** Calls `listener` with every event of the leg, until the returned function is called. */
  add(legId: string, listener: Listener): () => void {
    const listeners = this.#byLeg.get(legId) ?? new Set()
    this.#byLeg.set(legId, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byLeg.get(legId) === listeners) this.#byLeg.delete(legId)
    }
  }

  tell(event: MediaEvent): void {
    this.#byLeg.get(event.legId)?.forEach((listener) => listener(event))
  }
}
