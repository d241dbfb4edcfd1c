// Opens a speech engine in this thread: the embedded pair (flite and SoundSwallower), or the tone pair.
import { readFile } from 'node:fs/promises'
import type { Log } from '@saperly/kernel'
import { withBeep } from './beep.ts'
import { DecoderPool } from './decoder-pool.ts'
import { FliteMouth } from './flite.ts'
import { FliteProgram } from './flite-wasi.ts'
import { GrammarBook } from './zz-book.ts'
import { Lexicon } from './lexicon.ts'
import { PhraseEars } from './phrase-ears.ts'
import type { SpeechEngine, SpeechService } from './port.ts'
import { modelBase } from './sound-swallower.ts'
import { ToneEars, toneMouth } from './tone-speech.ts'

export interface SpeechDeps {
  log: Log
}

/** Opens `engine`; ready, with its models in memory, when this resolves. It computes in the calling thread. */
export async function createSpeechService(
  engine: SpeechEngine,
  deps: SpeechDeps,
): Promise<SpeechService> {
  return engine === 'tone' ? toneService() : embeddedService(deps.log)
}

function toneService(): SpeechService {
  return {
    openEars: (options) => new ToneEars(options),
    mouth: withBeep(toneMouth),
    close: async () => {},
  }
}

async function embeddedService(log: Log): Promise<SpeechService> {
  const mouth = new FliteMouth(await FliteProgram.load())
  const dictionary = await readFile(`${modelBase()}en-us/dict.txt`, 'latin1')
  const grammars = new GrammarBook(new Lexicon(dictionary, (words) => mouth.pronounce(words)))
  const pool = new DecoderPool()
  await pool.warm()
  return {
    openEars: (options) => new PhraseEars(options, pool, grammars, log),
    mouth: withBeep(mouth),
    close: async () => pool.close(),
  }
}
