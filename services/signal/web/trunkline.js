// Trunkline's library for browsers: find a peer in a room and be connected with it. `README.md` shows how.

export { answer } from './trunkline/answer.js';
export { couple } from './trunkline/couple.js';
export { SignallingError } from './trunkline/errors.js';
export { createConnection } from './trunkline/ice.js';
export { signaller } from './trunkline/signaller.js';
