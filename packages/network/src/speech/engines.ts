// Opens the configured engines, and with the node's own pair joins them into one service.
import type { Clock, Log } from '@saperly/kernel'
import { Breaker } from './breaker.ts'
import { CartesiaMouth } from './cartesia.ts'
import { hearingOf, hearings } from './catalogue.ts'
import { DeepgramEars } from './deepgram.ts'
import type { Engine, EngineEars } from './engine.ts'
import type { EarsOptions, Ears, SpeechEngine, SpeechService } from './port.ts'
import { withCache } from './render-cache.ts'
import { createSpeechService } from './service.ts'
import type { ConfiguredSpeech, EngineSettings, SherpaSettings } from './settings.ts'
import { Switchboard } from './switchboard.ts'

export interface EnginesDeps {
  clock: Clock
  log: Log
  /** Starts a model of the operator's; it computes elsewhere, so that a long sentence holds nobody up. */
  startSherpa: (name: string, settings: SherpaSettings) => SpeechService
}

/** Opens everything that a node can hear and speak with. The node's own pair is ready when this resolves. */
export async function openSpeech(
  own: SpeechEngine,
  configured: ConfiguredSpeech,
  deps: EnginesDeps,
): Promise<SpeechService> {
  const service = await createSpeechService(own, deps)
  const named = Object.entries(configured.engines)
  if (named.length === 0) return service
  const engines = named.map(([name, settings]) => openEngine(name, settings, deps))
  const hearing = hearings(own)[own]!
  return new Switchboard({ own: service, ownName: own, hearing, engines, configured, ...deps })
}

function openEngine(name: string, settings: EngineSettings, deps: EnginesDeps): Engine {
  const breaker = new Breaker(deps.clock)
  switch (settings.kind) {
    case 'deepgram': {
      const open = (options: EarsOptions): Ears => new DeepgramEars(settings, options, deps)
      const ears = earsOf(settings, true, open)
      return { name, breaker, ears, mouth: null, close: async () => {} }
    }
    case 'cartesia': {
      const mouth = new CartesiaMouth(settings, deps)
      const close = async (): Promise<void> => mouth.close()
      return { name, breaker, ears: null, mouth: withCache(mouth), close }
    }
    case 'sherpa': {
      const service = deps.startSherpa(name, settings)
      const partials = settings.model.family.startsWith('streaming')
      const ears = earsOf(settings, partials, (options) => service.openEars(options))
      const mouth = ears ? null : withCache(service.mouth)
      return { name, breaker, ears, mouth, close: () => service.close() }
    }
  }
}

function earsOf(
  settings: EngineSettings,
  partials: boolean,
  open: EngineEars['open'],
): EngineEars | null {
  const hearing = hearingOf(settings)
  return hearing && { ...hearing, partials, open }
}
