// The dedicated worker: Go runs here, so that decoding tokens never blocks the page.
import { startEngine } from './engine.js';
import { serve } from './protocol.js';

serve(globalThis, startEngine);
